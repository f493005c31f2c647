//! Who called a function that is unwound by its frame pointer, when that is not known: of a thread that waits only the program counter
//! and the stack pointer are. All of Rust's standard library is built so.
//!
//! On x86-64 such a function keeps a record, the frame pointer of its caller and above that where it returns to. The record is
//! found by what the function does with its stack at its beginning, if that is written as LLVM writes it; or else by looking
//! through the stack for where a call of just this function returns to. In either case a call has to stand before that place. On
//! other machines a backtrace ends here.

use framehop::UnwindRegsNative;

use super::exchange::Picture;

/// The code of this process.
pub(super) trait Code {
    /// The bytes before an address, at most so many, without what is no code.
    fn before(&self, address: u64, most: u64) -> Vec<u8>;

    /// Some bytes of any memory.
    fn bytes<const N: usize>(&self, address: u64) -> Option<[u8; N]>;

    /// Whether two addresses are in one function. True if neither has a name.
    fn is_one_function(&mut self, one: u64, other: u64) -> bool;
}

/// The address of the record of a function that is at `at` and whose stack pointer is `sp`.
#[cfg(target_arch = "x86_64")]
pub(super) fn find(at: u64, sp: u64, picture: &Picture, code: &mut impl Code) -> Option<u64> {
    by_beginning(at, sp, code)
        .filter(|record| returns_to(*record, picture).is_some_and(|to| follows_call(to, code)))
        .or_else(|| by_call(at, sp, picture, code))
}

/// Goes on to the caller, by the record of a function: returns where that returns to.
#[cfg(target_arch = "x86_64")]
pub(super) fn step(
    record: u64,
    registers: &mut UnwindRegsNative,
    picture: &Picture,
) -> Option<u64> {
    let to = returns_to(record, picture)?;
    registers.set_ip(to);
    registers.set_sp(record.checked_add(RECORD)?);
    registers.set_bp(picture.word(record)?);
    Some(to)
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn find(_: u64, _: u64, _: &Picture, _: &mut impl Code) -> Option<u64> {
    None
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn step(_: u64, _: &mut UnwindRegsNative, _: &Picture) -> Option<u64> {
    None
}

/// Two words.
#[cfg(target_arch = "x86_64")]
const RECORD: u64 = 16;

#[cfg(target_arch = "x86_64")]
fn returns_to(record: u64, picture: &Picture) -> Option<u64> {
    picture.word(record.checked_add(8)?)
}

/// How far back a function's beginning is looked for.
#[cfg(target_arch = "x86_64")]
const FAR: u64 = 16 * 1024;

/// By how far the function's beginning moved the stack pointer below the record.
#[cfg(target_arch = "x86_64")]
fn by_beginning(at: u64, sp: u64, code: &mut impl Code) -> Option<u64> {
    // push rbp; mov rbp, rsp
    const BEGINNING: [u8; 4] = [0x55, 0x48, 0x89, 0xe5];
    let before = code.before(at, FAR);
    let found = before.windows(BEGINNING.len());
    let begins = found
        .enumerate()
        .rfind(|(_, bytes)| **bytes == BEGINNING)?
        .0;
    if !code.is_one_function(at - (before.len() - begins) as u64, at) {
        return None;
    }
    let mut rest = &before[begins + BEGINNING.len()..];
    let mut below = 0;
    loop {
        match *rest {
            // push
            [0x41, 0x50..=0x57, ref after @ ..] | [0x50..=0x57, ref after @ ..] => {
                below += 8;
                rest = after;
            }
            // sub rsp, of one byte or four
            [0x48, 0x83, 0xec, size, ..] => {
                below += u64::from(size);
                break;
            }
            [0x48, 0x81, 0xec, a, b, c, d, ..] => {
                below += u64::from(u32::from_le_bytes([a, b, c, d]));
                break;
            }
            _ => break,
        }
    }
    sp.checked_add(below)
}

/// Where the stack has a place to return to behind a call of the function.
#[cfg(target_arch = "x86_64")]
fn by_call(at: u64, sp: u64, picture: &Picture, code: &mut impl Code) -> Option<u64> {
    // Records lie at multiples of their size.
    let mut record = sp.checked_next_multiple_of(RECORD)?;
    loop {
        let to = returns_to(record, picture)?;
        if let Some(called) = called_before(to, code)
            && code.is_one_function(called, at)
        {
            return Some(record);
        }
        record = record.checked_add(RECORD)?;
    }
}

/// Whether any call stands before an address.
#[cfg(target_arch = "x86_64")]
fn follows_call(to: u64, code: &impl Code) -> bool {
    let before = code.before(to, 7);
    // call of an address that stands in the code, of a register, or of what lies in memory.
    let direct = before.iter().rev().nth(4) == Some(&0xe8);
    let indirect = |length: usize| {
        let call = before.len().checked_sub(length).map(|at| &before[at..]);
        matches!(call, Some([0xff, kind, ..]) if kind >> 3 & 7 == 2)
    };
    direct || [2, 3, 4, 6, 7].into_iter().any(indirect)
}

/// The function that is called by the instruction before an address, if it stands in the code.
#[cfg(target_arch = "x86_64")]
fn called_before(to: u64, code: &impl Code) -> Option<u64> {
    let before = code.before(to, 6);
    let (kind, distance) = before.split_at_checked(before.len().checked_sub(4)?)?;
    let there = relative(to, distance);
    match kind {
        [.., 0xe8] => Some(through_table(there, code)),
        [.., 0xff, 0x15] => word(there, code),
        _ => None,
    }
}

/// Where a function begins that is called by way of a table, as those of other files are.
#[cfg(target_arch = "x86_64")]
fn through_table(function: u64, code: &impl Code) -> u64 {
    let jump = |start: u64| {
        let bytes: [u8; 6] = code.bytes(start)?;
        let [0xff, 0x25, ref distance @ ..] = bytes else {
            return None;
        };
        word(relative(start.wrapping_add(6), distance), code)
    };
    // The marks that may stand before the jump: endbr64, bnd.
    [0, 1, 4, 5]
        .into_iter()
        .find_map(|marks| jump(function.wrapping_add(marks)))
        .unwrap_or(function)
}

#[cfg(target_arch = "x86_64")]
fn relative(to: u64, distance: &[u8]) -> u64 {
    let distance = distance.try_into().map_or(0, i32::from_le_bytes);
    to.wrapping_add_signed(distance.into())
}

#[cfg(target_arch = "x86_64")]
fn word(address: u64, code: &impl Code) -> Option<u64> {
    code.bytes(address).map(u64::from_le_bytes)
}

#[cfg(all(test, target_arch = "x86_64"))]
#[path = "record_tests.rs"]
mod tests;
