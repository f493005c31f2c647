//! Reads pictures: finds the frames of a stack and names them, all on the watcher's time.

use std::{fs, mem};

use framehop::{
    CacheNative, FrameAddress, MayAllocateDuringUnwind, UnwindRegsNative, Unwinder, UnwinderNative,
};

use super::{
    exchange::{Picture, Registers},
    image::{Code, Image},
    maps::{self, Mapping},
    record,
};
use crate::Frame;

/// The most frames of a backtrace, and the most that are looked for.
const MOST_FRAMES: usize = 64;

/// What Rust's standard library marks the beginning of a thread by; its own reports leave out what is below it, too.
const BEGIN_OF_THREAD: &str = "__rust_begin_short_backtrace";

/// What is known of the code in this process.
pub(super) struct Reader {
    images: Vec<Image>,
    unwinder: UnwinderNative<Vec<u8>, MayAllocateDuringUnwind>,
    rules: CacheNative<MayAllocateDuringUnwind>,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            images: Vec::new(),
            unwinder: UnwinderNative::new(),
            rules: CacheNative::new(),
        }
    }

    /// The frames of a stack, innermost first.
    pub(super) fn read(&mut self, picture: &Picture) -> Vec<Frame> {
        self.refresh();
        let addresses = self.addresses(picture);
        let mut frames: Vec<Frame> = Vec::with_capacity(MOST_FRAMES);
        for address in addresses {
            frames.extend(self.named(address.address_for_lookup()));
            if frames.len() >= MOST_FRAMES {
                break;
            }
        }
        frames.truncate(MOST_FRAMES);
        let bottom = frames
            .iter()
            .rposition(|frame| frame.function.contains(BEGIN_OF_THREAD));
        if let Some(bottom) = bottom {
            frames.truncate(bottom);
        }
        frames
    }

    /// Reads what the frames of any stack will need.
    pub(super) fn prepare(&mut self) {
        self.refresh();
        for image in &mut self.images {
            image.names();
        }
    }

    /// Takes note of what has been loaded and unloaded since.
    fn refresh(&mut self) {
        // A name that is no UTF-8 will not be found, which costs the names of its functions only.
        let maps = fs::read("/proc/self/maps").unwrap_or_default();
        let now = maps::executable(&String::from_utf8_lossy(&maps));
        if now.is_empty()
            || now
                .iter()
                .eq(self.images.iter().map(|image| &image.mapping))
        {
            return;
        }
        let mut known = std::mem::take(&mut self.images);
        known.retain(|image| {
            let stays = now.contains(&image.mapping);
            if !stays {
                self.unwinder.remove_module(image.mapping.addresses.start);
            }
            stays
        });
        self.images = now
            .into_iter()
            .map(
                |mapping| match known.iter().position(|image| image.mapping == mapping) {
                    Some(at) => known.swap_remove(at),
                    None => self.load(mapping),
                },
            )
            .collect();
    }

    fn load(&mut self, mapping: Mapping) -> Image {
        let (image, module) = Image::new(mapping);
        self.unwinder.add_module(module);
        image
    }

    /// Where the thread was, and where each function returns to. Ends early where the picture does.
    fn addresses(&mut self, picture: &Picture) -> Vec<FrameAddress> {
        let pc = picture.registers.pc;
        let mut registers = registers(picture.registers, self.unwinder.max_known_code_address());
        let mut read = |address| picture.word(address).ok_or(());
        let mut found = vec![FrameAddress::InstructionPointer(pc)];
        let mut found_out = picture.registers.are_all_known();
        while found.len() < MOST_FRAMES
            && let Some(&frame) = found.last()
        {
            let caller =
                self.unwinder
                    .unwind_frame(frame, &mut registers, &mut self.rules, &mut read);
            let caller = match caller {
                Ok(caller) => caller,
                Err(_) if !mem::replace(&mut found_out, true) => {
                    self.caller_by_record(frame, &mut registers, picture)
                }
                Err(_) => None,
            };
            let Some(caller) = caller.and_then(FrameAddress::from_return_address) else {
                break;
            };
            found.push(caller);
        }
        found
    }

    /// Goes on to the caller of a function that can't be unwound without a frame pointer, which is not known.
    fn caller_by_record(
        &mut self,
        frame: FrameAddress,
        registers: &mut UnwindRegsNative,
        picture: &Picture,
    ) -> Option<u64> {
        let mut code = Code::of(&mut self.images)?;
        let at = frame.address_for_lookup();
        let record = record::find(at, registers.sp(), picture, &mut code)?;
        record::step(record, registers, picture)
    }

    fn named(&mut self, address: u64) -> Vec<Frame> {
        let nameless = |function| Frame {
            function,
            file: None,
            line: None,
        };
        let Some(image) = self.images.iter_mut().find(|image| image.contains(address)) else {
            return vec![nameless(format!("{address:#x}"))];
        };
        let in_file = image.in_file(address);
        let frames = image.names().at(in_file);
        if frames.is_empty() {
            return vec![nameless(format!("{}+{in_file:#x}", image.name()))];
        }
        frames
    }
}

#[cfg(target_arch = "x86_64")]
fn registers(Registers { pc, sp, fp, lr: _ }: Registers, _highest_code: u64) -> UnwindRegsNative {
    UnwindRegsNative::new(pc, sp, fp)
}

/// Return addresses may be signed, in the bits above those of any address.
#[cfg(target_arch = "aarch64")]
fn registers(Registers { pc: _, sp, fp, lr }: Registers, highest_code: u64) -> UnwindRegsNative {
    let mask = framehop::aarch64::PtrAuthMask::from_max_known_address(highest_code);
    UnwindRegsNative::new_with_ptr_auth_mask(mask, lr, sp, fp)
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
