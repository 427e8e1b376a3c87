use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static HANDLER: Once = Once::new();

/// Lets the first Ctrl-C end the work at the next step, and the second end the program.
pub fn on_interrupt() {
    HANDLER.call_once(|| {
        let outcome = ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
        });
        if let Err(error) = outcome {
            tracing::warn!("Ctrl-C will end training without a checkpoint: {error}");
        }
    });
}

/// Whether Ctrl-C was pressed since the program began.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}
