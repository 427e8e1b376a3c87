use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use super::copying::Copying;
use super::{Shared, failed};
use crate::Result;
use crate::llm::{ChatMessage, ToolSpec};

/// Picks tokens: the sampler's choice, unless the grammar forbids it.
pub(super) struct Picker<'a> {
    chain: LlamaSampler,
    grammar: Option<LlamaSampler>,
    copying: Option<Copying<'a>>,
}

impl<'a> Picker<'a> {
    pub(super) fn new(shared: &'a Shared, messages: &[ChatMessage], tools: &[ToolSpec]) -> Result<Self> {
        let options = &shared.options;
        let chain = if options.temperature > 0.0 {
            LlamaSampler::chain_simple([
                LlamaSampler::top_p(options.top_p, 1),
                LlamaSampler::min_p(options.min_p, 1),
                LlamaSampler::temp(options.temperature),
                LlamaSampler::dist(options.seed),
            ])
        } else {
            LlamaSampler::greedy()
        };
        // A model may have learnt calls that it was not told of. Where they have a mark of their own, thoughts may begin like it.
        let free = tools.is_empty() && !shared.form.open.is_empty();
        let grammar = || LlamaSampler::grammar(&shared.model, &shared.form.grammar(tools), "root").map_err(failed);
        let grammar = (!free).then(grammar).transpose()?;
        let copying = Copying::new(messages, &shared.form, &shared.pieces, options.copy);
        Ok(Self { chain, grammar, copying })
    }

    /// What was picked, as text.
    pub(super) fn picked(&mut self, piece: &[u8]) {
        self.copying.iter_mut().for_each(|copying| copying.push(piece));
    }

    pub(super) fn pick(&mut self, context: &LlamaContext<'_>, at: i32) -> LlamaToken {
        let copying = &self.copying;
        let scored = || {
            let mut candidates = context.token_data_array_ith(at);
            copying.iter().for_each(|copying| copying.mix(&mut candidates.data));
            candidates
        };
        let mut candidates = scored();
        candidates.apply_sampler(&mut self.chain);
        let mut token = candidates.selected_token().unwrap_or(LlamaToken(0));
        if let Some(grammar) = &mut self.grammar {
            // The grammar looks at one token in most steps, and at the whole vocabulary only when that one is out.
            let mut one = LlamaTokenDataArray::new(vec![LlamaTokenData::new(token, 0.0, 0.0)], false);
            one.apply_sampler(grammar);
            let fits = |candidates: &LlamaTokenDataArray| {
                candidates.data.iter().any(|candidate| candidate.logit() > f32::NEG_INFINITY)
            };
            let mut goes_on = fits(&one);
            if !goes_on {
                let mut candidates = scored();
                candidates.apply_sampler(grammar);
                goes_on = fits(&candidates);
                candidates.apply_sampler(&mut self.chain);
                token = candidates.selected_token().unwrap_or(token);
            }
            // One that does not fit would make it throw, which ends the process.
            if goes_on {
                grammar.accept(token);
            }
        }
        self.chain.accept(token);
        token
    }
}
