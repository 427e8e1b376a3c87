use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use super::{Shared, failed};
use crate::Result;
use crate::llm::ToolSpec;

/// Picks tokens: the sampler's choice, unless the grammar forbids it.
pub(super) struct Picker {
    chain: LlamaSampler,
    grammar: Option<LlamaSampler>,
}

impl Picker {
    pub(super) fn new(shared: &Shared, tools: &[ToolSpec]) -> Result<Self> {
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
        let grammar = match tools {
            [] => None,
            tools => Some(LlamaSampler::grammar(&shared.model, &shared.form.grammar(tools), "root").map_err(failed)?),
        };
        Ok(Self { chain, grammar })
    }

    pub(super) fn pick(&mut self, context: &LlamaContext<'_>, at: i32) -> LlamaToken {
        let mut candidates = context.token_data_array_ith(at);
        candidates.apply_sampler(&mut self.chain);
        let mut token = candidates.selected_token().unwrap_or(LlamaToken(0));
        if let Some(grammar) = &mut self.grammar {
            // The grammar looks at one token in most steps, and at the whole vocabulary only when that one is out.
            let mut one = LlamaTokenDataArray::new(vec![LlamaTokenData::new(token, 0.0, 0.0)], false);
            one.apply_sampler(grammar);
            if one.data.first().is_none_or(|data| data.logit() == f32::NEG_INFINITY) {
                let mut candidates = context.token_data_array_ith(at);
                candidates.apply_sampler(grammar);
                candidates.apply_sampler(&mut self.chain);
                token = candidates.selected_token().unwrap_or(token);
            }
            grammar.accept(token);
        }
        self.chain.accept(token);
        token
    }
}
