//! Labels as Python writes them.

use std::fmt;

/// A label: what of Python's literals names a class.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// `None`.
    Nothing,
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
    /// Several labels together.
    Tuple(Vec<Self>),
}

impl From<&str> for Label {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Label {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// As Python's `repr` has it.
impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("None"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Text(text) => quote(f, text),
            Self::Tuple(parts) => {
                f.write_str("(")?;
                for (number, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if number > 0 { ", " } else { "" })?;
                }
                f.write_str(if parts.len() == 1 { ",)" } else { ")" })
            }
        }
    }
}

fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    write!(f, "{mark}")?;
    for c in text.chars() {
        match c {
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c == mark => write!(f, "\\{c}")?,
            c if is_printable(c) => write!(f, "{c}")?,
            c => match u32::from(c) {
                code @ ..0x100 => write!(f, "\\x{code:02x}")?,
                code @ ..0x1_0000 => write!(f, "\\u{code:04x}")?,
                code => write!(f, "\\U{code:08x}")?,
            },
        }
    }
    write!(f, "{mark}")
}

/// What Python's `str.isprintable` says, which goes by the same classes of characters as Rust's debug form does; behind
/// another character, marks that combine count as printable there too.
fn is_printable(c: char) -> bool {
    matches!(c, '"' | '\'') || !format!("a{c}").escape_debug().to_string().contains('\\')
}

impl Label {
    /// The literal at the beginning of a line, and what stands behind it; or what was expected instead.
    pub(super) fn parse(text: &str) -> Result<(Self, &str), String> {
        if let Some(rest) = text.strip_prefix("None") {
            return Ok((Self::Nothing, rest));
        }
        if let Some(mark) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) {
            let (text, rest) = unquote(&text[1..], mark)?;
            return Ok((Self::Text(text), rest));
        }
        if let Some(rest) = text.strip_prefix('(') {
            return tuple(rest);
        }
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
        let number = text[..digits].parse();
        let number = number.map_err(|_| "a text, a whole number, None, or these in round brackets".to_owned())?;
        Ok((Self::Integer(number), &text[digits..]))
    }
}

fn tuple(mut rest: &str) -> Result<(Label, &str), String> {
    let mut parts = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(rest) = rest.strip_prefix(')') {
            return Ok((Label::Tuple(parts), rest));
        }
        let (part, after) = Label::parse(rest)?;
        parts.push(part);
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(after) => after,
            None if after.starts_with(')') && parts.len() > 1 => after,
            None => return Err("a comma or the end of the brackets".to_owned()),
        };
    }
}

/// The text up to the closing mark, and what stands behind that.
fn unquote(text: &str, mark: char) -> Result<(String, &str), String> {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == mark {
            return Ok((out, rest.as_str()));
        }
        if c != '\\' {
            out.push(c);
            continue;
        }
        let digits = match rest.next() {
            Some(c @ ('\\' | '\'' | '"')) => {
                out.push(c);
                continue;
            }
            Some('n') => {
                out.push('\n');
                continue;
            }
            Some('r') => {
                out.push('\r');
                continue;
            }
            Some('t') => {
                out.push('\t');
                continue;
            }
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => return Err("an escape that Python writes".to_owned()),
        };
        let code = rest.as_str().get(..digits).and_then(|code| u32::from_str_radix(code, 16).ok());
        out.push(code.and_then(char::from_u32).ok_or("a character's code after the backslash")?);
        rest = rest.as_str()[digits..].chars();
    }
    Err("a closing quotation mark".to_owned())
}
