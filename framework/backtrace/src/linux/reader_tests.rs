//! Pictures that make no sense are read to a sensible end.

use super::*;

#[test]
fn nonsense_has_few_frames_and_ends() {
    let mut reader = Reader::new();
    for (pc, word) in [(0, 0), (1, u64::MAX), (u64::MAX, 8), (0x1000, 0x1000)] {
        let registers = Registers {
            pc,
            sp: 0x1000,
            fp: 0x1000,
            lr: word,
        };
        for registers in [registers, Registers::of_waiting(pc, 0x1000)] {
            let picture = Picture::new(registers, 0x1000, vec![word; 512]);
            let found = reader.read(&picture);
            assert!((1..=MOST_FRAMES).contains(&found.len()), "{found:?}");
        }
    }
}

/// Nothing is inlined into it, at its first instruction least of all.
#[inline(never)]
fn innermost(value: &mut u64) {
    *value = value.rotate_left(7);
}

#[test]
fn an_empty_picture_names_the_innermost_function() {
    let here = innermost as fn(&mut u64) as usize as u64;
    let registers = Registers {
        pc: here,
        ..Registers::default()
    };
    let picture = Picture::new(registers, 0, Vec::new());
    let found = Reader::new().read(&picture);
    let first = &found[0];
    assert!(first.function().ends_with("innermost"), "{first}");
}

#[test]
fn what_is_known_is_kept_while_it_stays_loaded() {
    let mut reader = Reader::new();
    reader.refresh();
    let before: Vec<_> = reader
        .images
        .iter()
        .map(|image| image.mapping.clone())
        .collect();
    assert!(
        before.iter().any(|mapping| mapping.path == "[vdso]"),
        "{before:?}"
    );
    let dropped = reader.images.remove(0);
    reader
        .unwinder
        .remove_module(dropped.mapping.addresses.start);
    reader.refresh();
    let after = reader.images.iter().map(|image| &image.mapping);
    assert!(before.iter().eq(after));
}

impl Reader {
    /// How many images' names have been read.
    pub(in super::super) fn named_images(&self) -> usize {
        self.images.iter().filter(|image| image.has_names()).count()
    }
}
