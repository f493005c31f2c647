//! The usual way to write a digest down.

use bytes::Bytes;

/// Two lower-case digits a byte.
pub(crate) fn hex(digest: impl AsRef<[u8]>) -> String {
    format!("{:x}", Bytes::copy_from_slice(digest.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_bytes_have_two_digits_too() {
        assert_eq!(hex([0x00, 0x0a, 0xff]), "000aff");
    }
}
