//! Ways to compute a network on a machine, and which of them is taken by what they took: plain values. Knows nothing of
//! sessions and clocks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Device, Precision};

/// One way to compute a network: on what, how exactly, and how many photos side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComputeWay {
    /// On what; never [`Device::Auto`].
    #[serde(with = "words")]
    pub device: Device,
    /// How exactly; never [`Precision::Fast`].
    #[serde(with = "words")]
    pub precision: Precision,
    /// Photos in the network at the same time, each on its share of the threads.
    pub streams: usize,
}

/// A way, and what a photo took on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimedWay {
    /// The way.
    #[serde(flatten)]
    pub way: ComputeWay,
    /// Microseconds of the wall's time for each photo, with as many under way as there are in a run.
    pub microseconds: u64,
}

/// What [`Precision::Fast`] chose, and of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WayChoice {
    /// What was chosen.
    pub way: ComputeWay,
    /// All that was measured, the most exact first.
    pub measured: Vec<TimedWay>,
}

/// A slower way is taken where it is more exact and takes no more than this times the fastest.
const AS_FAST: f64 = 1.03;

/// A measurement pays where the run takes at least so many times as long.
const WORTH: f64 = 10.0;

impl ComputeWay {
    /// The more exact ways first; of these, the ones that [`Precision::Exact`] would take first.
    fn rank(&self) -> (usize, usize, std::cmp::Reverse<usize>) {
        let precision = match self.precision {
            Precision::Exact => 0,
            Precision::Fast | Precision::Bfloat16 => 1,
            Precision::Float16 => 2,
        };
        let device = match self.device {
            Device::Auto | Device::Cuda(_) => 0,
            Device::Cpu => 1,
            Device::OpenVino => 2,
        };
        (precision, device, std::cmp::Reverse(self.streams))
    }
}

impl WayChoice {
    /// Of what was measured, the way to take for who asks for this device and may have so many photos in the network at
    /// once: the fastest, or a more exact one that is as fast within 3 %. `None` where nothing was measured that would do,
    /// or not what [`Precision::Exact`] does.
    pub(crate) fn of(mut measured: Vec<TimedWay>, requested: Device, streams: usize) -> Option<WayChoice> {
        measured.sort_by_key(|timed| timed.way.rank());
        let fits = |timed: &&TimedWay| {
            (requested == Device::Auto || timed.way.device == requested)
                && timed.way.streams <= streams.max(1)
        };
        let fitting = || measured.iter().filter(fits);
        let known = |timed: &TimedWay| {
            let ComputeWay { device, precision, streams: side_by_side } = timed.way;
            let as_exact = requested != Device::Auto || device != Device::OpenVino;
            let as_many = device != Device::Cpu || streams <= 1 || side_by_side > 1;
            precision == Precision::Exact && as_exact && as_many
        };
        if !fitting().any(known) {
            return None;
        }
        let least = fitting().map(|timed| timed.microseconds).min()? as f64;
        let way = fitting().find(|timed| timed.microseconds as f64 <= AS_FAST * least)?.way;
        Some(WayChoice { way, measured })
    }

    /// How many times as fast the way is as what [`Precision::Exact`] does on the device that is asked for.
    pub(crate) fn gain(&self, requested: Device) -> Option<f64> {
        let on = |timed: &&TimedWay| requested == Device::Auto || timed.way.device == requested;
        let exact = self.measured.iter().find(on)?.microseconds as f64;
        let own = self.measured.iter().find(|timed| timed.way == self.way)?.microseconds as f64;
        (own > 0.0).then(|| exact / own)
    }
}

/// Whether a measurement of such a cost pays for a run of so many photos, each of which would take so long without.
pub fn pays(photos: usize, each: Duration, cost: Duration) -> bool {
    photos as f64 * each.as_secs_f64() >= WORTH * cost.as_secs_f64()
}

/// What several networks take together, of the ways that all of them were measured on.
pub fn together(networks: Vec<Vec<TimedWay>>) -> Vec<TimedWay> {
    let mut networks = networks.into_iter();
    let first = networks.next().unwrap_or_default();
    networks.fold(first, |sums, network| {
        let of = |sum: &TimedWay| network.iter().find(|timed| timed.way == sum.way);
        let added = sums.iter().filter_map(|sum| {
            Some(TimedWay { microseconds: sum.microseconds.saturating_add(of(sum)?.microseconds), ..*sum })
        });
        added.collect()
    })
}

/// Devices and precisions as they are written.
mod words {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(device: Device, precision: Precision, streams: usize, microseconds: u64) -> TimedWay {
        TimedWay { way: ComputeWay { device, precision, streams }, microseconds }
    }

    /// As on a machine with AVX-512 and a hidden AMX, where bfloat16 is slow, but for the numbers given.
    fn measured(float32: u64, bfloat16: u64) -> Vec<TimedWay> {
        vec![
            timed(Device::OpenVino, Precision::Bfloat16, 1, bfloat16),
            timed(Device::OpenVino, Precision::Exact, 1, float32),
            timed(Device::Cpu, Precision::Exact, 1, 1200),
            timed(Device::Cpu, Precision::Exact, 2, 1000),
        ]
    }

    fn chosen(measured: Vec<TimedWay>, requested: Device, streams: usize) -> (Device, Precision, usize) {
        let way = WayChoice::of(measured, requested, streams).expect("something was measured").way;
        (way.device, way.precision, way.streams)
    }

    #[test]
    fn the_fastest_is_taken_and_never_one_that_is_slower_than_exact() {
        let exact = (Device::Cpu, Precision::Exact, 2);
        assert_eq!(chosen(measured(1100, 1980), Device::Auto, 2), exact);
        assert_eq!(chosen(measured(1100, 300), Device::Auto, 2), (Device::OpenVino, Precision::Bfloat16, 1));
        assert_eq!(chosen(measured(700, 1260), Device::Auto, 2), (Device::OpenVino, Precision::Exact, 1));
    }

    #[test]
    fn what_is_as_fast_and_more_exact_is_taken_instead() {
        assert_eq!(chosen(measured(1100, 971), Device::Auto, 2), (Device::Cpu, Precision::Exact, 2));
        assert_eq!(chosen(measured(1100, 970), Device::Auto, 2), (Device::OpenVino, Precision::Bfloat16, 1));
        assert_eq!(chosen(measured(500, 490), Device::Auto, 2), (Device::OpenVino, Precision::Exact, 1));
    }

    #[test]
    fn only_what_is_asked_for_and_has_room_is_taken() {
        assert_eq!(
            chosen(measured(1100, 1980), Device::OpenVino, 2),
            (Device::OpenVino, Precision::Exact, 1)
        );
        assert_eq!(chosen(measured(1100, 1980), Device::Cpu, 2), (Device::Cpu, Precision::Exact, 2));
        assert_eq!(chosen(measured(1300, 1980), Device::Auto, 1), (Device::Cpu, Precision::Exact, 1));
        assert_eq!(WayChoice::of(measured(1100, 300), Device::Cuda(0), 2), None);
        assert_eq!(WayChoice::of(Vec::new(), Device::Auto, 2), None);
    }

    #[test]
    fn nothing_is_chosen_where_exact_was_not_measured() {
        let openvino: Vec<_> = measured(700, 300).into_iter().take(2).collect();
        assert_eq!(WayChoice::of(openvino.clone(), Device::Auto, 2), None);
        assert_eq!(chosen(openvino, Device::OpenVino, 2), (Device::OpenVino, Precision::Bfloat16, 1));
        let alone: Vec<_> = measured(700, 300).into_iter().take(3).collect();
        assert_eq!(WayChoice::of(alone.clone(), Device::Auto, 2), None);
        assert_eq!(chosen(alone, Device::Auto, 1), (Device::OpenVino, Precision::Bfloat16, 1));
        let bfloat16 = measured(700, 300).into_iter().take(1).collect();
        assert_eq!(WayChoice::of(bfloat16, Device::OpenVino, 2), None);
    }

    #[test]
    fn the_gain_is_over_what_exact_does() {
        let choice = WayChoice::of(measured(1100, 250), Device::Auto, 2).expect("something was measured");
        assert_eq!((choice.gain(Device::Auto), choice.gain(Device::OpenVino)), (Some(4.0), Some(4.4)));
    }

    #[test]
    fn a_measurement_is_for_runs_of_ten_times_its_length() {
        let (each, cost) = (Duration::from_millis(20), Duration::from_secs(2));
        assert!(pays(1000, each, cost) && !pays(999, each, cost));
        assert!(!pays(0, each, cost));
    }

    #[test]
    fn several_networks_take_the_sum_on_ways_that_all_know() {
        let other = vec![timed(Device::Cpu, Precision::Exact, 2, 50)];
        let sums = together(vec![measured(1100, 250), other]);
        assert_eq!(sums, [timed(Device::Cpu, Precision::Exact, 2, 1050)]);
        assert_eq!(together(Vec::new()), []);
    }

    #[test]
    fn ways_are_written_as_people_write_them() {
        let way = timed(Device::OpenVino, Precision::Bfloat16, 1, 250);
        let text = serde_json::to_value(way).unwrap_or_default();
        let written = serde_json::json!({
            "device": "openvino", "precision": "bfloat16", "streams": 1, "microseconds": 250
        });
        assert_eq!(text, written);
        assert_eq!(serde_json::from_value::<TimedWay>(written).ok(), Some(way));
    }
}
