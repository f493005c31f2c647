//! The `#[offload]` attribute.
#![forbid(unsafe_code)]

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Item, ItemFn, TraitItemFn};

use crate::args::Args;
use crate::errors::Errors;

mod args;
mod argument;
mod check;
mod errors;
mod expand;
mod types;

/// Moves the body of a function off the event loop; see the crate documentation.
#[proc_macro_attribute]
pub fn offload(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    attribute(args.into(), item.into()).into()
}

fn attribute(args: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let item = match syn::parse2::<ItemFn>(tokens.clone()) {
        Ok(item) => item,
        Err(error) => {
            errors.push(not_a_function(&tokens).unwrap_or(error));
            let errors = errors.finish();
            return quote!(#tokens #errors);
        }
    };
    check::check(&item, &mut errors);
    match errors.finish() {
        None => expand::expand(item, &args.krate),
        Some(errors) => {
            let item = expand::best_effort(item);
            quote!(#item #errors)
        }
    }
}

/// What to say of an item that is no function with a body; `None` when it is no sound item at all.
fn not_a_function(tokens: &TokenStream) -> Option<syn::Error> {
    if let Ok(declaration) = syn::parse2::<TraitItemFn>(tokens.clone()) {
        return Some(syn::Error::new_spanned(
            declaration.sig,
            "`#[offload]` needs a body to move: put it on a free function with a body and call that from the \
             implementation",
        ));
    }
    let keyword: &dyn ToTokens = match &syn::parse2::<Item>(tokens.clone()).ok()? {
        Item::Struct(item) => &item.struct_token.clone(),
        Item::Enum(item) => &item.enum_token.clone(),
        Item::Impl(item) => &item.impl_token.clone(),
        Item::Trait(item) => &item.trait_token.clone(),
        Item::Mod(item) => &item.mod_token.clone(),
        _ => tokens,
    };
    Some(syn::Error::new_spanned(
        keyword,
        "`#[offload]` works on functions: put it on the function whose body shall leave the event loop",
    ))
}
