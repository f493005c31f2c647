//! Says that something waits on one lane thread, so that other jobs go to other threads while there are any.

use std::{fmt, rc::Rc};

use super::resident::Place;

/// Something has begun on the calling lane thread and goes on there, by its [`local`](crate::LanesBuilder::local) future.
///
/// While it lives, new jobs go to other idle threads of the lane if there are any, so that what waits here is not kept by what
/// computes; and what jobs leave to rayon is not run here, because it may wait for what waits here.
///
/// # Examples
///
/// ```
/// use offload_core::{Lanes, Stay};
///
/// let lanes = Lanes::builder().threads(2).build()?;
/// assert!(Stay::here().is_none(), "this is no lane thread");
/// let stays = pollster::block_on(lanes.run(|| Stay::here().is_some()))?;
/// assert!(stays);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it is over when this is dropped"]
pub struct Stay(Rc<Place>);

impl Stay {
    /// On the calling thread, if it runs the jobs of a lane.
    #[must_use]
    pub fn here() -> Option<Self> {
        let place = Place::on_this_thread()?;
        if !place.is_lane_thread() {
            return None;
        }
        place.engage();
        Some(Self(place))
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.disengage();
    }
}

impl fmt::Debug for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stay").field(&self.0).finish()
    }
}
