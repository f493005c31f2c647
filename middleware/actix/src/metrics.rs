//! What the plugin measures, for any recorder of the `metrics` facade.

use offload_core::metrics::Publisher;

use crate::Offload;

impl Offload {
    /// Hands over what the plugin measures to a recorder of the [`metrics`](offload_core::metrics) facade, under the names
    /// that are listed there: routes, lanes, event loops, stalls.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{thread, time::Duration};
    ///
    /// let offload = actix_offload::Offload::new()?;
    /// let metrics = offload.metrics();
    /// thread::spawn(move || loop {
    ///     metrics.publish();
    ///     thread::sleep(Duration::from_secs(5));
    /// });
    /// # Ok::<(), actix_offload::BuildError>(())
    /// ```
    pub fn metrics(&self) -> Publisher {
        self.core.plugin.metrics()
    }
}
