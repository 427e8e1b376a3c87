//! Published chat templates, rendered as transformers renders them: prompts beside those of `tests/peers/templates.py`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails where it panics, and prints its table")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rejoinder_models::llm::tools::Moment;
use rejoinder_models::llm::{ChatMessage, PromptTemplate, ToolSpec};
use serde_json::Value;

/// 2026-11-23 17:42, as in `templates.py`.
const NOW: Moment = Moment::from_local_ms(1_795_455_720_000);

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/templates")
}

fn json(path: PathBuf) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Marks a text as safe HTML, so that Jinja2 writes the JSON after it with `&#34;` for quotes: nobody means that.
const ESCAPED: &str = "meetkai-functionary-medium-v3.1.jinja";

/// Where two prompts part.
fn parting(ours: &str, theirs: &str) -> String {
    let at = ours.chars().zip(theirs.chars()).take_while(|(a, b)| a == b).count();
    let around = |text: &str| text.chars().skip(at.saturating_sub(30)).take(90).collect::<String>();
    format!("ours {:?}\n      theirs {:?}", around(ours), around(theirs))
}

/// Renders all templates of a folder; the lines of those that differ from Jinja2.
fn differences(folder: &Path) -> Vec<String> {
    let cases = json(peers().join("cases.json"));
    let mut different = Vec::new();
    for (name, golden) in json(folder.join("golden.json")) {
        let source = std::fs::read_to_string(folder.join(&name)).unwrap();
        let template = PromptTemplate::new(&source, "<s>", "</s>").map_err(|e| e.to_string());
        let mut row = format!("{name:<60}");
        for (case, dialogue) in &cases {
            let messages: Vec<ChatMessage> = serde_json::from_value(dialogue["messages"].clone()).unwrap();
            let tools: Vec<ToolSpec> = serde_json::from_value(dialogue["tools"].clone()).unwrap();
            let ours = template
                .as_ref()
                .map_err(String::clone)
                .and_then(|t| t.render(&messages, &tools, NOW).map_err(|e| e.to_string()));
            let theirs = golden[case]["prompt"].as_str().ok_or_else(|| golden[case]["refused"].to_string());
            let (word, difference) = match (&ours, &theirs) {
                (Ok(ours), Ok(theirs)) if ours == theirs => ("equal", None),
                (Err(_), Err(_)) => ("refused", None),
                (Ok(ours), Ok(theirs))
                    if name == ESCAPED && *ours == theirs.replace("&#34;", "\"").replace("&#39;", "'") =>
                {
                    ("escaped", None)
                }
                (Ok(ours), Ok(theirs)) => ("differs", Some(parting(ours, theirs))),
                // We put the instructions before the first message where a template takes no role for them.
                (Ok(_), Err(why)) if why.contains("System role not supported") => ("folded", None),
                (Ok(_), Err(why)) if why.starts_with("\"TemplateError") => {
                    ("differs", Some(format!("only theirs refuses: {why}")))
                }
                // An error in Python that is no refusal: most loop over `tools` where there are none.
                (Ok(_), Err(_)) => ("lenient", None),
                (Err(why), Ok(_)) => ("differs", Some(format!("only ours refuses: {why}"))),
            };
            row.push_str(&format!(" {case} {word:<8}"));
            different.extend(difference.map(|difference| format!("{name}, {case}:\n      {difference}")));
        }
        println!("{row}");
    }
    different
}

#[test]
fn shipped_templates_render_as_their_reference_does() {
    let different = differences(&peers());
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// All templates of a folder that `REJOINDER_TEMPLATES` names: `make templates`.
#[test]
fn published_templates_render_as_their_reference_does() {
    let Some(folder) = std::env::var_os("REJOINDER_TEMPLATES") else {
        println!("skipped: REJOINDER_TEMPLATES is not set");
        return;
    };
    let different = differences(Path::new(&folder));
    assert!(different.is_empty(), "{}", different.join("\n"));
}
