//! The text format of Prometheus, version 0.0.4, as far as counters and gauges need it.

use std::fmt::Write;

/// What a family of samples is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

/// A text that families of samples are added to.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

/// A family whose header is written, open for its samples.
#[derive(Debug)]
pub(super) struct Family<'a> {
    name: &'static str,
    text: &'a mut String,
}

impl Exposition {
    /// Begins a family. A name must come once only.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let text = &mut self.0;
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        text.push_str("# HELP ");
        text.push_str(name);
        text.push(' ');
        push_escaped(text, help, Escape::Help);
        let _infallible = write!(text, "\n# TYPE {name} {kind}\n");
        Family { name, text }
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// Adds a sample. Names of labels are written as they are, their values escaped.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(self.name);
        for (at, (name, value)) in labels.iter().enumerate() {
            self.text.push(if at == 0 { '{' } else { ',' });
            self.text.push_str(name);
            self.text.push_str("=\"");
            push_escaped(self.text, value, Escape::Label);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _infallible = writeln!(self.text, " {value}");
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    Help,
    Label,
}

fn push_escaped(text: &mut String, raw: &str, escape: Escape) {
    for c in raw.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if escape == Escape::Label => text.push_str("\\\""),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_read_as_the_format_demands() {
        let mut out = Exposition::default();
        out.family("a_total", Kind::Counter, "Says \"a\" \\ more\nthan it.")
            .sample(&[], 3.0);
        let mut family = out.family("b", Kind::Gauge, "Of b.");
        family.sample(&[("path", "/{x:\"\\d\"}\n"), ("of", "ö")], 0.0025);
        family.sample(&[("path", "")], 1e300);
        let expected = [
            "# HELP a_total Says \"a\" \\\\ more\\nthan it.",
            "# TYPE a_total counter",
            "a_total 3",
            "# HELP b Of b.",
            "# TYPE b gauge",
            r#"b{path="/{x:\"\\d\"}\n",of="ö"} 0.0025"#,
        ];
        let text = out.into_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..6], expected);
        assert_eq!(lines[6], format!("b{{path=\"\"}} {}", 1e300));
        assert!(text.ends_with('\n'));
    }
}
