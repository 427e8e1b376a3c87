//! Leaves markup out of text that is to be spoken.

use std::ops::Range;

type Placed = (char, Range<usize>);

/// Drops Markdown's marks, the addresses of links, code blocks and emoji, one character after another. A mark that is an
/// operator between numbers becomes its sign.
#[derive(Clone, Debug, Default)]
pub(super) struct Markup {
    within_line: bool,
    ticks: usize,
    fenced: bool,
    link: Link,
    held: Option<(Held, Placed)>,
    after_word: bool,
    /// The last character of this line that was no space, and whether one came since.
    last: Option<char>,
    spaced: bool,
}

/// What is held back until the next character tells what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// A bullet before a space, else a sign.
    Bullet,
    /// An operator before a digit, else a mark.
    Operator,
    /// Behind a space: an operator before another, else a mark.
    SpacedOperator,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Link {
    #[default]
    None,
    /// Behind `]`: an address may follow.
    Closed,
    /// Within `(...)` behind `]`.
    Address,
}

impl Markup {
    /// Takes a character and gives out none, one, or two when one was held back.
    pub(super) fn filter(&mut self, c: char, source: Range<usize>) -> [Option<Placed>; 2] {
        if c == '`' {
            self.ticks += 1;
            if self.ticks == 3 {
                self.fenced = !self.fenced;
            }
            return [None, None];
        }
        self.ticks = 0;
        if self.fenced || self.within_address(c) {
            return [None, None];
        }
        let held = self.held.take();
        let space = c.is_whitespace() && c != '\n';
        if space && matches!(held, Some((Held::Bullet, _))) {
            return [None, None];
        }
        let held = held.filter(|(held, _)| match held {
            Held::Bullet => true,
            Held::Operator => c.is_ascii_digit(),
            Held::SpacedOperator => space,
        });
        let kept = self.keep(c, source);
        (self.last, self.spaced) = match c {
            '\n' => (None, false),
            c if c.is_whitespace() => (self.last, true),
            c => (Some(c), false),
        };
        [held.map(|(_, placed)| placed), kept]
    }

    /// Gives out what was held back.
    pub(super) fn finish(&mut self) -> Option<Placed> {
        self.held.take().filter(|(held, _)| *held == Held::Bullet).map(|(_, placed)| placed)
    }

    fn within_address(&mut self, c: char) -> bool {
        match std::mem::take(&mut self.link) {
            Link::Closed if c == '(' => {
                self.link = Link::Address;
                true
            }
            Link::Address if c != '\n' => {
                if c != ')' {
                    self.link = Link::Address;
                }
                true
            }
            _ => false,
        }
    }

    fn keep(&mut self, c: char, source: Range<usize>) -> Option<Placed> {
        let line_start = !self.within_line;
        let after_word = std::mem::replace(&mut self.after_word, c.is_alphanumeric());
        match c {
            '\n' => self.within_line = false,
            ']' => self.link = Link::Closed,
            _ if !c.is_whitespace() => self.within_line |= !matches!(c, '#' | '>' | '*'),
            _ => {}
        }
        match c {
            '[' | ']' | '\\' => None,
            '*' | '~' => {
                let sign = if c == '*' { '×' } else { '–' };
                let behind_number = self.last.is_some_and(|last| last.is_ascii_digit() || last == ')');
                let held = if self.spaced { Held::SpacedOperator } else { Held::Operator };
                self.held = behind_number.then_some((held, (sign, source)));
                None
            }
            '#' | '>' if line_start => None,
            '-' | '+' | '•' if line_start => {
                self.held = Some((Held::Bullet, (c, source)));
                None
            }
            '_' => after_word.then_some((' ', source)),
            '|' => Some((' ', source)),
            _ if is_pictograph(c) => None,
            _ => Some((c, source)),
        }
    }
}

/// Emoji, dingbats, arrows, and what modifies or joins them.
fn is_pictograph(c: char) -> bool {
    matches!(c, '\u{1F000}'..='\u{1FAFF}' | '\u{2600}'..='\u{27BF}' | '\u{2190}'..='\u{21FF}' | '\u{2B00}'..='\u{2BFF}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{200D}' | '\u{20E3}' | '\u{E0020}'..='\u{E007F}')
}
