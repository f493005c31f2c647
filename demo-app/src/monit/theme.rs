//! How things look. Colour is never the only sign: what is wrong is also said in a word, and reversed.

use std::env;

use ratatui::style::{Color, Modifier, Style};

/// The styles, with colours or without.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    colour: bool,
}

impl Theme {
    pub(crate) fn new(colour: bool) -> Self {
        Self { colour }
    }

    /// Without colours if `NO_COLOR` is set to anything (<https://no-color.org>).
    pub(crate) fn from_env() -> Self {
        Self::new(env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
    }

    /// The line at the top and the one at the bottom.
    pub(crate) fn bar(self) -> Style {
        self.with(Style::new().add_modifier(Modifier::BOLD), |style| {
            style.fg(Color::Cyan)
        })
    }

    /// The names of columns.
    pub(crate) fn heading(self) -> Style {
        let style = Style::new().add_modifier(Modifier::REVERSED);
        self.with(style, |_| Style::new().fg(Color::Black).bg(Color::Cyan))
    }

    /// What stands still or is refused now.
    pub(crate) fn alarm(self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        self.with(style.add_modifier(Modifier::REVERSED), |_| {
            style.fg(Color::White).bg(Color::Red)
        })
    }

    /// What is worth a look.
    pub(crate) fn warning(self) -> Style {
        self.with(Style::new().add_modifier(Modifier::BOLD), |style| {
            style.fg(Color::Yellow)
        })
    }

    /// What is bad, but no line of its own.
    pub(crate) fn bad(self) -> Style {
        self.with(Style::new().add_modifier(Modifier::BOLD), |style| {
            style.fg(Color::Red)
        })
    }

    /// What is good, or light.
    pub(crate) fn good(self) -> Style {
        self.with(Style::new(), |style| style.fg(Color::Green))
    }

    /// What is heavy and where it belongs.
    pub(crate) fn lane(self) -> Style {
        self.with(Style::new(), |style| style.fg(Color::Magenta))
    }

    /// What is of little interest.
    pub(crate) fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn with(self, plain: Style, coloured: impl FnOnce(Style) -> Style) -> Style {
        if self.colour { coloured(plain) } else { plain }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_there_are_none() {
        let theme = Theme::new(false);
        for style in [
            theme.bar(),
            theme.heading(),
            theme.alarm(),
            theme.warning(),
            theme.bad(),
            theme.good(),
            theme.lane(),
            theme.faint(),
        ] {
            assert_eq!((style.fg, style.bg), (None, None));
        }
        assert!(theme.alarm().add_modifier.contains(Modifier::REVERSED));
    }
}
