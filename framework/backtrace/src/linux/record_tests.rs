//! Functions and stacks as compilers write them.

use std::ops::Range;

use super::{super::exchange::Registers, *};

/// Code that begins at an address.
struct Written {
    start: u64,
    bytes: Vec<u8>,
    functions: Vec<Range<u64>>,
}

impl Code for Written {
    fn before(&self, address: u64, most: u64) -> Vec<u8> {
        let end = address.saturating_sub(self.start) as usize;
        let begin = end.saturating_sub(most as usize);
        self.bytes.get(begin..end).unwrap_or_default().to_vec()
    }

    fn bytes<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let at = usize::try_from(address.checked_sub(self.start)?).ok()?;
        self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn is_one_function(&mut self, one: u64, other: u64) -> bool {
        let function = |at| self.functions.iter().find(|range| range.contains(&at));
        function(one).is_some() && function(one) == function(other)
    }
}

const SP: u64 = 0x7000;
/// Where the function is called from: the call is the five bytes before.
const CALLER: u64 = 0x1080;

/// A caller at 0x1000 and a function at 0x1100 that begins so.
fn code(call: &[u8], beginning: &[u8]) -> Written {
    let mut bytes = vec![0x90; 0x200];
    let before = CALLER as usize - 0x1000;
    bytes[before - call.len()..before].copy_from_slice(call);
    bytes[0x100..0x100 + beginning.len()].copy_from_slice(beginning);
    Written {
        start: 0x1000,
        bytes,
        functions: vec![0x1000..0x1100, 0x1100..0x1200],
    }
}

/// A stack on which the record lies so many bytes above the stack pointer.
fn stack(record: u64) -> Picture {
    let mut words = vec![0; 64];
    words[record as usize / 8] = 0xbeef;
    words[record as usize / 8 + 1] = CALLER;
    Picture::new(Registers::default(), SP, words)
}

const DIRECT: [u8; 5] = [0xe8, 0x80, 0, 0, 0]; // to 0x1100
const PUSHES: [u8; 13] = [
    0x55, 0x48, 0x89, 0xe5, // push rbp; mov rbp, rsp
    0x41, 0x57, 0x41, 0x56, 0x53, // push r15; push r14; push rbx
    0x48, 0x83, 0xec, 0x28, // sub rsp, 40
];

#[test]
fn the_beginning_of_a_function_says_where_its_record_is() {
    let below = 3 * 8 + 0x28;
    let indirect: [&[u8]; 4] = [
        &[0xff, 0xd0],                               // call rax
        &[0xff, 0x50, 0x18],                         // call [rax + 24]
        &[0xff, 0x15, 0, 0, 0, 0],                   // call [rip + 0]
        &[0xff, 0x94, 0x24, 0x80, 0x00, 0x00, 0x00], // call [rsp + 128]
    ];
    for call in indirect.into_iter().chain([&DIRECT[..]]) {
        let mut code = code(call, &PUSHES);
        let found = find(0x1150, SP, &stack(below), &mut code);
        assert_eq!(found, Some(SP + below), "{call:x?}");
    }
    let mut large = PUSHES[..9].to_vec();
    large.extend([0x48, 0x81, 0xec, 0x80, 0x01, 0, 0]); // sub rsp, 384
    let mut code = code(&[0xff, 0xd0], &large);
    let found = find(0x1150, SP, &stack(3 * 8 + 0x180), &mut code);
    assert_eq!(found, Some(SP + 3 * 8 + 0x180));
}

#[test]
fn where_the_beginning_says_nothing_the_call_is_looked_for() {
    let beginning = [0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x89, 0xf8, 0x48, 0x89, 0xe5];
    let mut direct = code(&DIRECT, &beginning);
    let found = find(0x1150, SP, &stack(0x60), &mut direct);
    assert_eq!(found, Some(SP + 0x60));

    // Through a table: call 0x1180; there jmp [0x1190]; there 0x1100.
    let mut table = code(&[0xe8, 0x00, 0x01, 0, 0], &beginning);
    table.bytes[0x180..0x18a].copy_from_slice(&[0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, 0x06, 0, 0, 0]);
    table.bytes[0x190..0x198].copy_from_slice(&0x1100_u64.to_le_bytes());
    table.functions[1] = 0x1100..0x1180;
    let found = find(0x1150, SP, &stack(0x60), &mut table);
    assert_eq!(found, Some(SP + 0x60));

    // call [0x1190]
    let mut table = code(&[0xff, 0x15, 0x10, 0x01, 0, 0], &beginning);
    table.bytes[0x190..0x198].copy_from_slice(&0x1100_u64.to_le_bytes());
    let found = find(0x1150, SP, &stack(0x60), &mut table);
    assert_eq!(found, Some(SP + 0x60));
}

#[test]
fn what_is_no_call_or_calls_another_function_is_not_believed() {
    let below = 3 * 8 + 0x28;
    let no_call = [0x90; 5];
    let mut none = code(&no_call, &PUSHES);
    assert_eq!(find(0x1150, SP, &stack(below), &mut none), None);
    let elsewhere = [0xe8, 0, 0, 0, 0];
    let mut other = code(&elsewhere, &[]);
    assert_eq!(find(0x1150, SP, &stack(0x60), &mut other), None);
    let mut next = code(&DIRECT, &PUSHES);
    next.functions[1] = 0x1110..0x1200; // That beginning is another function's.
    assert_eq!(find(0x1150, SP, &stack(below), &mut next), None);
    let empty = Picture::new(Registers::default(), SP, Vec::new());
    let mut fine = code(&DIRECT, &PUSHES);
    assert_eq!(find(0x1150, SP, &empty, &mut fine), None);
    assert_eq!(find(0x1150, u64::MAX, &empty, &mut fine), None);
}

#[test]
fn a_step_goes_on_to_the_caller() {
    let picture = stack(0x40);
    let mut registers = UnwindRegsNative::new(0x1150, SP, 0);
    let to = step(SP + 0x40, &mut registers, &picture);
    assert_eq!(to, Some(CALLER));
    let now = (registers.ip(), registers.sp(), registers.bp());
    assert_eq!(now, (CALLER, SP + 0x50, 0xbeef));
    assert_eq!(step(u64::MAX, &mut registers, &picture), None);
}
