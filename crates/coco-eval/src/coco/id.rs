//! Ids as Python compares them: 1, 1.0 and true are one id, "1" is another.
//!
//! An id is a number of 64 bits; whatever is no such number is kept in a table and named by its place there.

use std::collections::HashMap;
use std::fmt;

use super::value::JsonValue;

/// An id of an image, a category or an annotation. Two ids of one data set are equal where Python finds them equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(i64);

/// Numbers from here down name places in the table.
const TABLE: i64 = i64::MIN + (1 << 32);

impl Id {
    /// An id that is a plain integer.
    pub fn new(value: i64) -> Option<Id> {
        (value >= TABLE).then_some(Id(value))
    }

    /// The integer, if it is one.
    pub fn integer(self) -> Option<i64> {
        (self.0 >= TABLE).then_some(self.0)
    }

    fn place(self) -> Option<usize> {
        (self.0 < TABLE).then(|| (self.0 - i64::MIN) as usize)
    }
}

/// What an id is if not a small integer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Odd {
    Null,
    /// A number with a fraction or infinite, by its bits.
    Fraction(u64),
    /// An integer beyond 64 bits, by its digits.
    Big(Box<str>),
    Text(Box<str>),
}

/// The table of the ids that are no plain integers.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    odd: Vec<Odd>,
    places: HashMap<Odd, i64>,
    /// A string of digits names what its number names.
    digits: bool,
}

/// The number that a string of digits spells.
fn spelled(text: &str) -> Option<Id> {
    text.trim().parse().ok().and_then(Id::new)
}

impl Ids {
    /// The id that a JSON value is; `None` for lists, objects and NaN, which cannot name anything.
    pub(super) fn of(&mut self, value: &JsonValue) -> Option<Id> {
        match plain_or_odd(value)? {
            Ok(id) => Some(id),
            Err(odd) => Some(self.intern(odd)),
        }
    }

    /// The same without adding to the table; `None` if nothing is known by that id.
    pub(super) fn find(&self, value: &JsonValue) -> Option<Id> {
        match plain_or_odd(value)? {
            Ok(id) => Some(id),
            Err(odd) => self.known(&odd),
        }
    }

    /// What is known by an odd id.
    fn known(&self, odd: &Odd) -> Option<Id> {
        let spelled = || match odd {
            Odd::Text(text) if self.digits => spelled(text),
            _ => None,
        };
        self.places.get(odd).map(|&place| Id(place)).or_else(spelled)
    }

    /// From now on a string of digits names what its number names.
    pub(super) fn take_digits_for_numbers(&mut self) {
        self.digits = true;
    }

    /// The id that differs from this one only in being a number and no string, or a string and no number.
    pub fn of_other_kind(&self, id: Id) -> Option<Id> {
        match self.text(id) {
            Some(text) => spelled(text),
            None => self.places.get(&Odd::Text(id.integer()?.to_string().into())).map(|&place| Id(place)),
        }
    }

    /// The id of a number as it is typed, if it is one.
    pub fn of_number(&mut self, text: &str) -> Option<Id> {
        match text.parse() {
            Ok(value) => self.of(&JsonValue::Int(value)),
            Err(_) => self.of(&JsonValue::Float(text.parse().ok()?)),
        }
    }

    /// The id of a string.
    pub fn of_text(&mut self, text: &str) -> Id {
        self.intern(Odd::Text(text.into()))
    }

    /// The string that an id is, if it is one.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.odd.get(id.place()?)? {
            Odd::Text(text) => Some(text),
            _ => None,
        }
    }

    fn intern(&mut self, odd: Odd) -> Id {
        let next = i64::MIN + self.odd.len() as i64;
        let place = *self.places.entry(odd.clone()).or_insert(next);
        if place == next {
            self.odd.push(odd);
        }
        Id(place)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.odd.is_empty()
    }

    /// Takes over an id of another table.
    pub(super) fn adopt(&mut self, id: Id, from: &Ids) -> Id {
        match id.place().and_then(|place| from.odd.get(place)) {
            Some(odd) => self.intern(odd.clone()),
            None => id,
        }
    }

    /// The id here of what has an id in another table; `None` if nothing here is known by it.
    pub(super) fn translate(&self, id: Id, from: &Ids) -> Option<Id> {
        match id.place() {
            Some(place) => self.known(from.odd.get(place)?),
            None => Some(id),
        }
    }

    /// What an id is ordered by: its kind, its number as a whole and a fractional part, its text.
    fn rank(&self, id: Id) -> (u8, i128, f64, &str) {
        match id.place().and_then(|place| self.odd.get(place)) {
            None => (0, i128::from(id.0), 0.0, ""),
            Some(Odd::Fraction(bits)) => {
                let number = f64::from_bits(*bits);
                (0, number.floor() as i128, number - number.floor(), "")
            }
            Some(Odd::Big(digits)) => {
                let end = if digits.starts_with('-') { i128::MIN } else { i128::MAX };
                (0, digits.parse().unwrap_or(end), 0.0, "")
            }
            Some(Odd::Text(text)) => (1, 0, 0.0, text),
            Some(Odd::Null) => (2, 0, 0.0, ""),
        }
    }

    /// Sorts ids in Python's order and drops repetitions; a pair that Python refuses to compare, if there is one.
    pub fn sort(&self, ids: &mut Vec<Id>) -> Result<(), (Id, Id)> {
        if self.is_empty() {
            ids.sort_unstable();
            ids.dedup();
            return Ok(());
        }
        ids.sort_by(|&a, &b| {
            let ((kind_a, whole_a, part_a, text_a), (kind_b, whole_b, part_b, text_b)) =
                (self.rank(a), self.rank(b));
            let kinds = kind_a.cmp(&kind_b).then(whole_a.cmp(&whole_b));
            kinds.then(part_a.total_cmp(&part_b)).then(text_a.cmp(text_b))
        });
        ids.dedup();
        match (ids.first(), ids.last()) {
            (Some(&a), Some(&b)) if self.rank(a).0 != self.rank(b).0 => Err((a, b)),
            _ => Ok(()),
        }
    }

    /// The id as it stands in JSON, for messages.
    pub fn show(&self, id: Id) -> impl fmt::Display {
        match id.place().and_then(|place| self.odd.get(place)) {
            None => id.0.to_string(),
            Some(Odd::Null) => "null".into(),
            Some(Odd::Fraction(bits)) => f64::from_bits(*bits).to_string(),
            Some(Odd::Big(digits)) => digits.to_string(),
            Some(Odd::Text(text)) => super::error::quoted(text),
        }
    }

    /// The id as a JSON value.
    pub fn json(&self, id: Id) -> serde_json::Value {
        match id.place().and_then(|place| self.odd.get(place)) {
            None => id.0.into(),
            Some(Odd::Null) => serde_json::Value::Null,
            Some(Odd::Fraction(bits)) => f64::from_bits(*bits).into(),
            Some(Odd::Big(digits)) => digits.parse::<f64>().unwrap_or(f64::NAN).into(),
            Some(Odd::Text(text)) => text.as_ref().into(),
        }
    }
}

fn plain_or_odd(value: &JsonValue) -> Option<Result<Id, Odd>> {
    let integer = |value: i64| Id::new(value).ok_or_else(|| Odd::Big(value.to_string().into()));
    Some(match value {
        JsonValue::Bool(value) => Ok(Id(i64::from(*value))),
        JsonValue::Int(value) => integer(*value),
        JsonValue::Big(digits) => Err(Odd::Big(digits.as_str().into())),
        JsonValue::Float(value) if value.is_nan() => return None,
        JsonValue::Float(value) if value.fract() != 0.0 || value.is_infinite() => {
            Err(Odd::Fraction(value.to_bits()))
        }
        // Python compares integers and doubles by their exact values; so does the decimal text of a whole double.
        JsonValue::Float(value) => match format!("{value:.0}").parse::<i64>() {
            Ok(value) => integer(value),
            Err(_) => Err(Odd::Big(format!("{value:.0}").into())),
        },
        JsonValue::Text(text) => Err(Odd::Text(text.as_str().into())),
        JsonValue::Null => Err(Odd::Null),
        JsonValue::List(_) | JsonValue::Object(_) => return None,
    })
}

/// From ids to places in a list, for many lookups.
#[derive(Clone, Debug, Default)]
pub struct Index {
    low: i64,
    /// Place + 1 of the id `low + k`, or 0.
    dense: Vec<u32>,
    sparse: HashMap<Id, u32>,
}

/// The widest span of ids that is kept as a plain table: 64 MB of addresses, of which only the used pages are memory.
const SPAN: u64 = 1 << 24;

impl Index {
    /// An index of a list without repetitions.
    pub fn new(ids: &[Id]) -> Index {
        let low = ids.iter().map(|id| id.0).min().unwrap_or(0);
        let high = ids.iter().map(|id| id.0).max().unwrap_or(0);
        let span = high.abs_diff(low);
        let mut index = Index { low, ..Index::default() };
        if span < SPAN {
            index.dense = vec![0; span as usize + 1];
            for (place, id) in (1u32..).zip(ids) {
                index.dense[id.0.abs_diff(low) as usize] = place;
            }
        } else {
            index.sparse = ids.iter().copied().zip(0u32..).collect();
        }
        index
    }

    /// The place of an id.
    #[inline]
    pub fn get(&self, id: Id) -> Option<u32> {
        if self.dense.is_empty() {
            return self.sparse.get(&id).copied();
        }
        let place = *self.dense.get(usize::try_from(id.0.checked_sub(self.low)?).ok()?)?;
        place.checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_equal_where_python_finds_them_equal() {
        let mut ids = Ids::default();
        let one = ids.of(&JsonValue::Int(1));
        assert_eq!(one, ids.of(&JsonValue::Float(1.0)));
        assert_eq!(one, ids.of(&JsonValue::Bool(true)));
        assert_ne!(one, ids.of(&JsonValue::Text("1".into())));
        let big = ids.of(&JsonValue::Big("100000000000000000000".into()));
        assert_eq!(big, ids.of(&JsonValue::Float(1e20)));
        assert_eq!(ids.of(&JsonValue::Float(f64::NAN)), None);
        let words = ["10", "100", "2"].map(|text| ids.of_text(text));
        let mut sorted = vec![words[2], words[0], words[1], words[0]];
        assert_eq!(ids.sort(&mut sorted), Ok(()));
        assert_eq!(sorted, words);
        sorted.push(Id(3));
        assert!(ids.sort(&mut sorted).is_err());
    }

    #[test]
    fn places_are_found_near_and_far() {
        for ids in [vec![Id(5), Id(-3), Id(7)], vec![Id(5), Id(i64::MAX), Id(-9)]] {
            let index = Index::new(&ids);
            for (place, &id) in (0..).zip(&ids) {
                assert_eq!(index.get(id), Some(place));
            }
            assert_eq!(index.get(Id(6)), None);
            assert_eq!(index.get(Id(i64::MIN)), None);
        }
        assert_eq!(Index::new(&[]).get(Id(0)), None);
    }
}
