//! The way of one photo with a look at tensors inside the graphs, which must be outputs of them.
//!
//! Computes nothing of its own: the stages are those of [`Detector::infer`].

use std::collections::BTreeMap;

use super::lanes::Lane;
use super::{Detector, Error, Input};
use crate::geometry::BBox;
use crate::runtime::Value;

impl Detector {
    /// Runs one input; gives the maps of features and the tensors named, by name. The head's are missing where nothing
    /// is proposed. Where none of the head is asked for, it does not run.
    pub(crate) fn watch(
        &self,
        input: Input,
        trunk: &[String],
        head: &[String],
    ) -> Result<BTreeMap<String, Value>, Error> {
        self.lanes.with(|lane| self.watch_on(lane, input, trunk, head))
    }

    fn watch_on(
        &self,
        lane: &Lane,
        mut input: Input,
        trunk: &[String],
        head: &[String],
    ) -> Result<BTreeMap<String, Value>, Error> {
        let tensor = input.take()?;
        let inputs = [input];
        let features: Vec<&str> = lane.trunk.features().collect();
        let inner: Vec<String> =
            trunk.iter().filter(|name| !features.contains(&name.as_str())).cloned().collect();
        let (output, more) = lane.trunk.run_and(&tensor, &self.busy, &mut 0.0, &inner)?;
        let mut seen: BTreeMap<String, Value> = inner.into_iter().zip(more).collect();
        if !head.is_empty() {
            let suggested: Vec<Vec<BBox>> = self
                .suggest(lane, &inputs, &output)?
                .into_iter()
                .map(|found| found.into_iter().map(|proposal| proposal.bbox).collect())
                .collect();
            let mut rois = self.place(&output, &inputs, &suggested);
            if !rois.order.iter().all(Vec::is_empty) {
                let names: Vec<&str> = head.iter().map(String::as_str).collect();
                let values = self.run_head_on(lane, &output, &mut rois, &mut 0.0, &names)?;
                seen.extend(head.iter().cloned().zip(values));
            }
        }
        seen.extend(features.into_iter().map(str::to_owned).zip(output.features.channels_first()?));
        Ok(seen)
    }
}
