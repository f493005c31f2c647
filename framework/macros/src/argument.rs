//! Gives every argument a name, which a pattern may hide, for messages and for the outer function.

use proc_macro2::Span;
use quote::format_ident;
use syn::{FnArg, Ident, Pat, Signature, Type};

/// An argument of the outer function, which hands it on whole; the body takes it apart.
pub(crate) struct Argument<'a> {
    pub(crate) name: Ident,
    /// What a message calls it.
    pub(crate) label: String,
    pub(crate) ty: &'a Type,
}

impl<'a> Argument<'a> {
    /// The arguments of a function, a receiver left out.
    pub(crate) fn all(sig: &'a Signature) -> Vec<Self> {
        let inputs = sig.inputs.iter().enumerate();
        let argument = |(index, input): (usize, &'a FnArg)| match input {
            FnArg::Typed(input) => Some(Self {
                name: name(&input.pat).cloned().unwrap_or_else(|| unnamed(index)),
                label: label(&input.pat, index),
                ty: &input.ty,
            }),
            FnArg::Receiver(_) => None,
        };
        inputs.filter_map(argument).collect()
    }
}

/// What a message calls the argument at `index`.
pub(crate) fn label(pat: &Pat, index: usize) -> String {
    match name(pat) {
        Some(name) => format!("`{name}`"),
        None => format!("number {}", index + 1),
    }
}

fn unnamed(index: usize) -> Ident {
    format_ident!("__offload_{}", index, span = Span::mixed_site())
}

/// The one name that stands for the whole argument, when its pattern has an obvious one: `x` for `x`, `mut x` and
/// `web::Json(x)`.
///
/// A capitalised name may be a constant that the pattern compares with, so it is not taken for a name.
fn name(pat: &Pat) -> Option<&Ident> {
    match pat {
        Pat::Ident(pat) if starts_like_a_variable(&pat.ident) => Some(&pat.ident),
        Pat::TupleStruct(pat) if pat.elems.len() == 1 => name(&pat.elems[0]),
        Pat::Paren(pat) => name(&pat.pat),
        _ => None,
    }
}

fn starts_like_a_variable(ident: &Ident) -> bool {
    let text = ident.to_string();
    let text = text.strip_prefix("r#").unwrap_or(&text);
    !text.starts_with(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use syn::parse::Parser;
    use syn::parse_quote;

    use super::*;

    fn name_in(pat: &str) -> Option<String> {
        let pat = Pat::parse_single.parse_str(pat).unwrap();
        name(&pat).map(Ident::to_string)
    }

    #[test]
    fn an_obvious_name_is_found() {
        for pat in [
            "body",
            "mut body",
            "web::Json(body)",
            "Outer(Inner(mut body))",
            "(body)",
        ] {
            assert_eq!(name_in(pat).as_deref(), Some("body"), "{pat}");
        }
        let raw: Ident = parse_quote!(r#type);
        assert_eq!(name_in("r#type"), Some(raw.to_string()));
    }

    #[test]
    fn a_pattern_of_several_or_no_names_has_none() {
        for pat in [
            "_",
            "(a, b)",
            "Point { x, y }",
            "MARKER",
            "Wrapper(MARKER)",
            "[a, b]",
        ] {
            assert_eq!(name_in(pat), None, "{pat}");
        }
    }
}
