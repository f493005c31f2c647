//! A program or library as it lies in memory: how to unwind its functions, and their names.

use std::{
    fmt,
    fs::{self, File},
    os::unix::fs::{FileExt, MetadataExt},
    path::PathBuf,
};

use framehop::ExplicitModuleSectionInfo;
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, ReadCache, ReadRef};

use super::{maps::Mapping, names::Names, outside::MEMORY, record};

/// The module that the unwinder gets to know.
pub(super) type Module = framehop::Module<Vec<u8>>;

/// Code that the kernel puts into each process. Its own image is all in memory, and a loop that only asks for the time is
/// in there for most of it.
const KERNELS: &str = "[vdso]";

/// The running program, even if another has been put in its place since.
pub(super) const PROGRAM: &str = "/proc/self/exe";

/// One mapping of code, and what is known of it.
pub(super) struct Image {
    pub(super) mapping: Mapping,
    /// What has been added to the addresses in the file.
    bias: u64,
    names: Option<Names>,
    source: Source,
}

/// Where more can be read.
#[derive(Debug)]
enum Source {
    File(PathBuf),
    /// A copy of the image in memory.
    Memory(Vec<u8>),
    Nowhere,
}

impl Image {
    /// Reads what is needed for unwinding, and how to find more. Nothing is an error: an image of which nothing is known
    /// is unwound by frame pointers, and its functions are numbers.
    pub(super) fn new(mapping: Mapping) -> (Self, Module) {
        let source = Source::of(&mapping);
        let facts = match &source {
            Source::File(path) => File::open(path)
                .ok()
                .and_then(|file| facts(&ReadCache::new(file), &mapping)),
            Source::Memory(image) => facts(image.as_slice(), &mapping),
            Source::Nowhere => None,
        };
        let Facts {
            bias,
            lowest,
            sections,
        } = facts.unwrap_or_default();
        let module = Module::new(
            mapping.path.clone(),
            mapping.addresses.clone(),
            bias.wrapping_add(lowest),
            ExplicitModuleSectionInfo {
                base_svma: lowest,
                ..sections
            },
        );
        let image = Self {
            mapping,
            bias,
            names: None,
            source,
        };
        (image, module)
    }

    pub(super) fn contains(&self, address: u64) -> bool {
        self.mapping.addresses.contains(&address)
    }

    /// The address as it stands in the file.
    pub(super) fn in_file(&self, address: u64) -> u64 {
        address.wrapping_sub(self.bias)
    }

    /// What the image is called, without its folder.
    pub(super) fn name(&self) -> &str {
        let path = &self.mapping.path;
        let name = path
            .rsplit_once('/')
            .map_or(path.as_str(), |(_, name)| name);
        name.strip_suffix(" (deleted)").unwrap_or(name)
    }

    /// The names of its functions, which are read when somebody asks for the first time.
    pub(super) fn names(&mut self) -> &Names {
        self.names.get_or_insert_with(|| match &self.source {
            Source::File(path) => Names::of_file(path),
            Source::Memory(image) => Names::of_table(symbols(image)),
            Source::Nowhere => Names::none(),
        })
    }
}

#[cfg(test)]
impl Image {
    pub(super) fn has_names(&self) -> bool {
        self.names.is_some()
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("mapping", &self.mapping)
            .field("bias", &self.bias)
            .finish_non_exhaustive()
    }
}

impl Source {
    fn of(mapping: &Mapping) -> Self {
        if mapping.path == KERNELS {
            return memory(mapping).map_or(Self::Nowhere, Self::Memory);
        }
        // Another file may have been put there since, in which the addresses are others.
        [mapping.path.as_str(), PROGRAM]
            .into_iter()
            .find(|path| fs::metadata(path).is_ok_and(|file| file.ino() == mapping.inode))
            .map_or(Self::Nowhere, |path| Self::File(path.into()))
    }
}

/// A copy of what is mapped there.
fn memory(mapping: &Mapping) -> Option<Vec<u8>> {
    let addresses = &mapping.addresses;
    let size = usize::try_from(addresses.end.checked_sub(addresses.start)?).ok()?;
    let mut image = vec![0; size];
    let memory = File::open(MEMORY).ok()?;
    memory.read_exact_at(&mut image, addresses.start).ok()?;
    Some(image)
}

/// All code of the process, as it lies in memory.
#[derive(Debug)]
pub(super) struct Code<'a> {
    images: &'a mut [Image],
    memory: File,
}

impl<'a> Code<'a> {
    pub(super) fn of(images: &'a mut [Image]) -> Option<Self> {
        let memory = File::open(MEMORY).ok()?;
        Some(Self { images, memory })
    }

    /// The outermost function at an address, with the number of its image.
    fn function(&mut self, address: u64) -> Option<(usize, Option<String>)> {
        let number = self.images.iter().position(|it| it.contains(address))?;
        let image = &mut self.images[number];
        let in_file = image.in_file(address);
        let frames = image.names().at(in_file);
        Some((
            number,
            frames.into_iter().next_back().map(|frame| frame.function),
        ))
    }
}

impl record::Code for Code<'_> {
    fn before(&self, address: u64, most: u64) -> Vec<u8> {
        let last = address.wrapping_sub(1);
        let image = self.images.iter().find(|image| image.contains(last));
        let start = image.map_or(address, |image| {
            let begin = image.mapping.addresses.start;
            begin.max(address.saturating_sub(most))
        });
        let mut bytes = vec![0; usize::try_from(address - start).unwrap_or(0)];
        let read = self.memory.read_exact_at(&mut bytes, start);
        read.map_or_else(|_| Vec::new(), |()| bytes)
    }

    fn bytes<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.memory.read_exact_at(&mut bytes, address).ok()?;
        Some(bytes)
    }

    fn is_one_function(&mut self, one: u64, other: u64) -> bool {
        let one = self.function(one);
        one.is_some() && one == self.function(other)
    }
}

/// What a file says.
#[derive(Default)]
struct Facts {
    bias: u64,
    /// The lowest address in the file.
    lowest: u64,
    sections: ExplicitModuleSectionInfo<Vec<u8>>,
}

fn facts<'a, R: ReadRef<'a>>(data: R, mapping: &Mapping) -> Option<Facts> {
    let file = object::File::parse(data).ok()?;
    // Segments are mapped by whole pages, so that a mapping may reach into the ones before and behind its own.
    let (_, own) = file
        .segments()
        .filter(|segment| segment.permissions().executable())
        .map(|segment| (overlap(segment.file_range(), mapping), segment))
        .filter(|(overlap, _)| *overlap > 0)
        .max_by_key(|(overlap, _)| *overlap)?;
    let before = mapping.offset.wrapping_sub(own.file_range().0);
    let start = own.address().wrapping_add(before);
    let section = |name| file.section_by_name(name);
    let range = |name| {
        let section = section(name)?;
        let start = section.address();
        Some(start..start.checked_add(section.size())?)
    };
    let bytes = |name| Some(section(name)?.data().ok()?.to_vec());
    let eh_frame = bytes(".eh_frame");
    let debug_frame = || bytes(".debug_frame");
    Some(Facts {
        bias: mapping.addresses.start.wrapping_sub(start),
        lowest: file.segments().map(|segment| segment.address()).min()?,
        sections: ExplicitModuleSectionInfo {
            text_svma: range(".text"),
            got_svma: range(".got"),
            eh_frame_svma: range(".eh_frame"),
            eh_frame_hdr_svma: range(".eh_frame_hdr"),
            eh_frame_hdr: bytes(".eh_frame_hdr"),
            debug_frame: if eh_frame.is_none() {
                debug_frame()
            } else {
                None
            },
            eh_frame,
            ..ExplicitModuleSectionInfo::default()
        },
    })
}

/// How much of a piece of a file, given by offset and size, is in the mapping.
fn overlap((offset, size): (u64, u64), mapping: &Mapping) -> u64 {
    let length = mapping
        .addresses
        .end
        .saturating_sub(mapping.addresses.start);
    let start = offset.max(mapping.offset);
    let end = offset
        .saturating_add(size)
        .min(mapping.offset.saturating_add(length));
    end.saturating_sub(start)
}

/// The names that an image exports, each with its first address and its size.
fn symbols(image: &[u8]) -> Vec<(u64, u64, String)> {
    let Ok(file) = object::File::parse(image) else {
        return Vec::new();
    };
    file.dynamic_symbols()
        .filter(|symbol| symbol.is_definition())
        .filter_map(|symbol| {
            let name = symbol.name().ok()?;
            Some((symbol.address(), symbol.size(), name.to_owned()))
        })
        .collect()
}
