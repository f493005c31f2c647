//! Body sizes in a few classes, because one route is light for a kilobyte and heavy for five megabytes.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The size of a request's body, as far as its head declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodySize {
    /// So many bytes; zero for a request without a body.
    Known(u64),
    /// There is a body, but its length comes with it (chunked transfer).
    Unknown,
}

/// The class of body sizes in which the cost of a request is kept.
///
/// # Examples
///
/// ```
/// use offload_core::cost::{BodySize, SizeBucket};
///
/// assert_eq!(SizeBucket::of(BodySize::Known(0)).label(), "none");
/// assert_eq!(SizeBucket::of(BodySize::Known(1024)).label(), "<=1KiB");
/// assert_eq!(SizeBucket::of(BodySize::Known(1025)).label(), "<=4KiB");
/// assert_eq!(SizeBucket::of(BodySize::Unknown).label(), "unknown");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SizeBucket(u8);

/// The largest size of each class of known sizes but the last, which has no upper end.
const UPPER: [u64; 9] = [
    0,
    1 << 10,
    4 << 10,
    16 << 10,
    64 << 10,
    256 << 10,
    1 << 20,
    4 << 20,
    16 << 20,
];

const LABELS: [&str; SizeBucket::COUNT] = [
    "none", "<=1KiB", "<=4KiB", "<=16KiB", "<=64KiB", "<=256KiB", "<=1MiB", "<=4MiB", "<=16MiB",
    ">16MiB", "unknown",
];

impl SizeBucket {
    /// How many classes there are.
    pub(crate) const COUNT: usize = UPPER.len() + 2;

    /// The class of a size.
    #[must_use]
    pub fn of(size: BodySize) -> Self {
        let index = match size {
            BodySize::Known(bytes) => UPPER.partition_point(|upper| *upper < bytes),
            BodySize::Unknown => Self::COUNT - 1,
        };
        Self(index as u8)
    }

    /// All classes, smallest first, [`BodySize::Unknown`]'s last.
    pub(crate) fn all() -> impl ExactSizeIterator<Item = Self> {
        (0..Self::COUNT).map(|index| Self(index as u8))
    }

    /// A number below [`COUNT`](Self::COUNT), for tables with a place for each class.
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The sizes of the class in a few characters, such as `<=64KiB`.
    #[must_use]
    pub fn label(self) -> &'static str {
        LABELS[self.index()]
    }
}

impl fmt::Debug for SizeBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SizeBucket({})", self.label())
    }
}

/// As its label.
impl Serialize for SizeBucket {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.label())
    }
}

impl<'de> Deserialize<'de> for SizeBucket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let label = String::deserialize(deserializer)?;
        Self::all()
            .find(|bucket| bucket.label() == label)
            .ok_or_else(|| de::Error::custom("not the label of a body size"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_edge_belongs_to_the_class_below_it() {
        for (index, upper) in UPPER.into_iter().enumerate() {
            assert_eq!(SizeBucket::of(BodySize::Known(upper)).index(), index);
            assert_eq!(
                SizeBucket::of(BodySize::Known(upper + 1)).index(),
                index + 1
            );
        }
        let largest = SizeBucket::of(BodySize::Known(u64::MAX));
        assert_eq!(largest.label(), ">16MiB");
        let unknown = SizeBucket::of(BodySize::Unknown);
        assert_eq!(unknown.index(), SizeBucket::COUNT - 1);
    }

    #[test]
    fn all_are_listed_once_and_come_back_from_their_labels() {
        assert_eq!(SizeBucket::all().len(), SizeBucket::COUNT);
        for (index, bucket) in SizeBucket::all().enumerate() {
            assert_eq!(bucket.index(), index);
            let text = serde_json::to_string(&bucket).unwrap();
            assert_eq!(serde_json::from_str::<SizeBucket>(&text).unwrap(), bucket);
        }
        assert!(serde_json::from_str::<SizeBucket>("\"<=2KiB\"").is_err());
        assert!(serde_json::from_str::<SizeBucket>("3").is_err());
    }
}
