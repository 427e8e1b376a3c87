/// Mixtures of diagonal Gaussians, one for each state.
#[derive(Clone, Debug)]
pub(super) struct Gaussians {
    width: usize,
    components: usize,
    weights: Vec<f32>,
    means: Vec<f32>,
    /// One over the variance.
    precisions: Vec<f32>,
    /// The logarithm of the weight and of the normaliser.
    constants: Vec<f32>,
    floor: Vec<f32>,
}

/// What a round of training adds up.
#[derive(Clone, Debug)]
pub(super) struct Accumulator {
    width: usize,
    components: usize,
    counts: Vec<f64>,
    sums: Vec<f64>,
    squares: Vec<f64>,
    log_likelihood: f64,
    frames: f64,
}

impl Accumulator {
    pub(super) fn new(models: &Gaussians) -> Self {
        Self::sized(models.weights.len(), models.components, models.width)
    }

    pub(super) fn single(width: usize) -> Self {
        Self::sized(1, 1, width)
    }

    fn sized(gaussians: usize, components: usize, width: usize) -> Self {
        Self {
            width,
            components,
            counts: vec![0.0; gaussians],
            sums: vec![0.0; gaussians * width],
            squares: vec![0.0; gaussians * width],
            log_likelihood: 0.0,
            frames: 0.0,
        }
    }

    pub(super) fn add(&mut self, state: usize, component: usize, posterior: f64, frame: &[f32]) {
        let at = state * self.components + component;
        self.counts[at] += posterior;
        let row = at * self.width..(at + 1) * self.width;
        for ((sum, square), &x) in self.sums[row.clone()].iter_mut().zip(&mut self.squares[row]).zip(frame) {
            *sum += posterior * f64::from(x);
            *square += posterior * f64::from(x) * f64::from(x);
        }
    }

    pub(super) fn add_likelihood(&mut self, log_likelihood: f64, frames: usize) {
        self.log_likelihood += log_likelihood;
        self.frames += frames as f64;
    }

    pub(super) fn mean_log_likelihood(&self) -> f64 {
        self.log_likelihood / self.frames.max(1.0)
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        let add = |a: &mut Vec<f64>, b: Vec<f64>| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        add(&mut self.counts, other.counts);
        add(&mut self.sums, other.sums);
        add(&mut self.squares, other.squares);
        self.log_likelihood += other.log_likelihood;
        self.frames += other.frames;
        self
    }

    fn moments(&self, at: usize, d: usize) -> (f32, f32) {
        let n = self.counts[at].max(1e-9);
        let mean = self.sums[at * self.width + d] / n;
        (mean as f32, (self.squares[at * self.width + d] / n - mean * mean) as f32)
    }
}

impl Gaussians {
    /// One Gaussian for each of `states`: that of `all`, or of `special` where `is_special` says so.
    pub(super) fn flat(
        states: usize,
        all: &Accumulator,
        is_special: impl Fn(usize) -> bool,
        special: &Accumulator,
    ) -> Self {
        let width = all.width;
        let mut models = Self {
            width,
            components: 1,
            weights: vec![1.0; states],
            means: Vec::with_capacity(states * width),
            precisions: Vec::with_capacity(states * width),
            constants: vec![0.0; states],
            floor: (0..width).map(|d| (0.02 * all.moments(0, d).1).max(1e-6)).collect(),
        };
        for state in 0..states {
            let source = if is_special(state) { special } else { all };
            for d in 0..width {
                let (mean, variance) = source.moments(0, d);
                models.means.push(mean);
                models.precisions.push(1.0 / variance.max(models.floor[d]));
            }
        }
        models.normalise();
        models
    }

    fn normalise(&mut self) {
        let half_log_tau = 0.5 * (2.0 * std::f32::consts::PI).ln();
        for (at, constant) in self.constants.iter_mut().enumerate() {
            let row = &self.precisions[at * self.width..(at + 1) * self.width];
            let norm: f32 = row.iter().map(|p| 0.5 * p.ln() - half_log_tau).sum();
            *constant = self.weights[at].max(1e-6).ln() + norm;
        }
    }

    pub(super) fn components(&self) -> usize {
        self.components
    }

    /// The log density of a frame under one component, with its weight.
    pub(super) fn component(&self, state: usize, component: usize, frame: &[f32]) -> f32 {
        let at = state * self.components + component;
        let row = at * self.width..(at + 1) * self.width;
        let parts = frame.iter().zip(&self.means[row.clone()]).zip(&self.precisions[row]);
        self.constants[at] - 0.5 * parts.map(|((x, m), p)| (x - m) * (x - m) * p).sum::<f32>()
    }

    /// The log density of a frame in a state.
    pub(super) fn state(&self, state: usize, frame: &[f32]) -> f32 {
        let first = self.component(state, 0, frame);
        (1..self.components).fold(first, |sum, c| log_add(sum, self.component(state, c, frame)))
    }

    pub(super) fn update(&mut self, sum: &Accumulator) {
        for at in 0..self.weights.len() {
            if sum.counts[at] < 10.0 {
                continue;
            }
            let state = at / self.components * self.components;
            let total: f64 = sum.counts[state..state + self.components].iter().sum();
            self.weights[at] = (sum.counts[at] / total) as f32;
            for d in 0..self.width {
                let (mean, variance) = sum.moments(at, d);
                self.means[at * self.width + d] = mean;
                self.precisions[at * self.width + d] = 1.0 / variance.max(self.floor[d]);
            }
        }
        self.normalise();
    }

    /// Doubles the components, a fifth of a standard deviation to either side.
    pub(super) fn split(&mut self) {
        let width = self.width;
        let mut next = Self {
            components: self.components * 2,
            weights: Vec::new(),
            means: Vec::new(),
            precisions: Vec::new(),
            constants: vec![0.0; self.constants.len() * 2],
            ..self.clone()
        };
        for (at, weight) in self.weights.iter().enumerate() {
            let row = at * width..(at + 1) * width;
            for side in [-0.2, 0.2] {
                next.weights.push(weight / 2.0);
                let moved = self.means[row.clone()].iter().zip(&self.precisions[row.clone()]);
                next.means.extend(moved.map(|(m, p)| m + side / p.sqrt()));
                next.precisions.extend_from_slice(&self.precisions[row.clone()]);
            }
        }
        next.normalise();
        *self = next;
    }
}

/// log(exp(a) + exp(b)).
pub(super) fn log_add(a: f32, b: f32) -> f32 {
    rejoinder_models::decode::log_add(a.into(), b.into()) as f32
}
