//! What the kernel says of the code in this process: a pure reading of `/proc/self/maps`.

use std::ops::Range;

/// A piece of a file that is mapped to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) addresses: Range<u64>,
    /// Where in the file it begins.
    pub(super) offset: u64,
    pub(super) inode: u64,
    /// The file's path as it was when it was mapped, or a word in brackets for code that the kernel brings along.
    pub(super) path: String,
}

/// Which code is in the process, by ascending address. What can't be read is left out, as is code without a file.
pub(super) fn executable(maps: &str) -> Vec<Mapping> {
    maps.lines().filter_map(mapping).collect()
}

/// `55a6-55a8 r-xp 00002000 fe:00 247030    /usr/bin/cat`.
fn mapping(line: &str) -> Option<Mapping> {
    let mut rest = line;
    let mut field = || {
        let (field, after) = rest.split_once(' ')?;
        rest = after;
        Some(field)
    };
    let (start, end) = field()?.split_once('-')?;
    let permissions = field()?;
    let offset = number(field()?)?;
    let _device = field()?;
    let inode = field()?.parse().ok()?;
    let path = rest.trim_start();
    (permissions.contains('x') && !path.is_empty()).then_some(Mapping {
        addresses: number(start)?..number(end)?,
        offset,
        inode,
        path: path.to_owned(),
    })
}

fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_and_of_the_kernel_counts() {
        let found = executable(
            "55a64fb39000-55a64fb3b000 r--p 00000000 fe:00 247030                     /usr/bin/cat\n\
             55a64fb3b000-55a64fb40000 r-xp 00002000 fe:00 247030                     /usr/bin/cat\n\
             55a6873b4000-55a6873d5000 rw-p 00000000 00:00 0                          [heap]\n\
             7f77c9200000-7f77c9277000 rwxp 00000000 00:00 0 \n\
             7f77c9277000-7f77c9299000 r-xp 00000000 fe:00 12                         /a b/c d (deleted)\n\
             7ffd2f5f2000-7ffd2f5f4000 r-xp 00000000 00:00 0                          [vdso]\n",
        );
        let brief: Vec<_> = found
            .iter()
            .map(|mapping| (mapping.offset, mapping.inode, mapping.path.as_str()))
            .collect();
        let expected = [
            (0x2000, 247_030, "/usr/bin/cat"),
            (0, 12, "/a b/c d (deleted)"),
            (0, 0, "[vdso]"),
        ];
        assert_eq!(brief, expected);
        assert_eq!(found[0].addresses, 0x55a6_4fb3_b000..0x55a6_4fb4_0000);
    }

    #[test]
    fn nonsense_is_left_out() {
        for line in [
            "",
            "x",
            "1-2",
            "1-2 r-xp",
            "g-2 r-xp 0 0 0 /x",
            "\u{e9} \u{e9}",
        ] {
            assert_eq!(executable(line), [], "{line:?}");
        }
    }
}
