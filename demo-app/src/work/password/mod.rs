//! Passwords by argon2id with its recommended parameters: tens of milliseconds each, by design.

pub(crate) mod hash;
pub(crate) mod verify;

use crate::fields::Text;

/// An empty password is surely a mistake; a very long one only feeds the hash function.
const PASSWORD: Text = Text {
    field: "password",
    min: 1,
    max: 1024,
};
