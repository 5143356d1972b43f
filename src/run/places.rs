//! Finding photos by their names, which mostly come in the photos' order.

use std::collections::HashMap;

use super::Task;

/// Places of photos by name.
pub(super) struct Places<'a> {
    tasks: &'a [Task],
    /// Where the next name is looked for first.
    next: usize,
    /// Made when a name comes out of order.
    by_name: Option<HashMap<&'a str, usize>>,
}

impl<'a> Places<'a> {
    pub(super) fn new(tasks: &'a [Task]) -> Places<'a> {
        Places { tasks, next: 0, by_name: None }
    }

    /// Begins again with the first name.
    pub(super) fn rewind(&mut self) {
        self.next = 0;
    }

    pub(super) fn find(&mut self, name: &str) -> Option<usize> {
        let place = if self.tasks.get(self.next).is_some_and(|task| task.entry.name == name) {
            self.next
        } else {
            let named = || self.tasks.iter().map(|task| task.entry.name.as_str()).zip(0..).collect();
            *self.by_name.get_or_insert_with(named).get(name)?
        };
        self.next = place + 1;
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::PhotoEntry;

    #[test]
    fn names_are_found_in_any_order() {
        let entries =
            ["a", "b", "c"].map(|name| PhotoEntry { path: name.into(), name: name.into(), depth: 1 });
        let tasks = super::super::count(entries.to_vec());
        let mut places = Places::new(&tasks);
        let found: Vec<_> = ["a", "b", "x", "c", "a"].into_iter().map(|name| places.find(name)).collect();
        assert_eq!(found, [Some(0), Some(1), None, Some(2), Some(0)]);
    }
}
