//! Reads the attribute's own arguments and rejects unknown and repeated keys where they stand.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, LitStr, Path, Token};

use crate::errors::Errors;

/// What `#[offload(..)]` was given.
pub(crate) struct Args {
    /// The crate whose `__private` module the expansion calls.
    pub(crate) krate: Path,
}

impl Args {
    /// Reads the tokens between the attribute's parentheses; mistakes go to `errors`.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut krate = None;
        let read = |input: ParseStream<'_>| read_all(input, &mut krate, errors);
        if let Err(error) = read.parse2(tokens) {
            errors.push(error);
        }
        Self {
            krate: krate.unwrap_or_else(default_crate),
        }
    }
}

fn default_crate() -> Path {
    let mut path = Path::from(Ident::new("actix_offload", Span::call_site()));
    path.leading_colon = Some(Token![::](Span::call_site()));
    path
}

fn read_all(
    input: ParseStream<'_>,
    krate: &mut Option<Path>,
    errors: &mut Errors,
) -> syn::Result<()> {
    while !input.is_empty() {
        let key = input.call(Ident::parse_any)?;
        if key != "crate" {
            errors.at(
                &key,
                format!("unknown key `{key}`: `#[offload]` knows only `crate = path::to::crate`"),
            );
            skip_value(input)?;
        } else if krate.is_some() {
            errors.at(&key, "`crate` is given twice: remove one");
            skip_value(input)?;
        } else {
            input.parse::<Token![=]>()?;
            *krate = Some(read_path(input)?);
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(())
}

/// A path, bare or in a string.
fn read_path(input: ParseStream<'_>) -> syn::Result<Path> {
    if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        text.parse_with(Path::parse_mod_style)
            .map_err(|_| syn::Error::new(text.span(), "expected the path of a crate"))
    } else {
        Path::parse_mod_style(input)
    }
}

/// Passes over whatever an unwanted key carries, so that the keys after it are looked at too.
fn skip_value(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quote::{ToTokens, quote};

    use super::*;

    fn read(tokens: TokenStream) -> Result<String, String> {
        let mut errors = Errors::default();
        let args = Args::parse(tokens, &mut errors);
        match errors.finish() {
            None => Ok(args.krate.to_token_stream().to_string().replace(' ', "")),
            Some(errors) => Err(errors.to_string()),
        }
    }

    #[test]
    fn without_arguments_the_plugin_is_called() {
        assert_eq!(read(quote!()).unwrap(), "::actix_offload");
    }

    #[test]
    fn a_crate_path_is_taken_bare_or_as_text() {
        for tokens in [
            quote!(crate = ::offload_core),
            quote!(crate = "::offload_core"),
            quote!(crate = ::offload_core,),
        ] {
            assert_eq!(read(tokens).unwrap(), "::offload_core");
        }
        assert_eq!(
            read(quote!(crate = crate::stand_in)).unwrap(),
            "crate::stand_in"
        );
    }

    #[test]
    fn every_wrong_key_is_named_in_one_go() {
        let errors = read(quote!(lane = "long", crate = a, priority(1, 2), crate = b)).unwrap_err();
        assert!(errors.contains("unknown key `lane`"), "{errors}");
        assert!(errors.contains("unknown key `priority`"), "{errors}");
        assert!(errors.contains("`crate` is given twice"), "{errors}");
    }

    #[test]
    fn a_value_that_is_no_path_is_rejected() {
        assert!(read(quote!(crate = 3)).is_err());
        assert!(read(quote!(crate = "not a path")).is_err());
        assert!(read(quote!(crate)).is_err());
    }
}
