//! A long list in chunks of equal length, which grows without ever being copied whole.

/// Rows a chunk.
const CHUNK: usize = 1 << 13;

/// Rows in the order in which they came.
#[derive(Clone, Debug)]
pub struct Rows<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Rows { chunks: Vec::new() }
    }
}

impl<T: Copy> Rows<T> {
    /// Appends rows.
    pub fn extend(&mut self, mut rows: &[T]) {
        while !rows.is_empty() {
            if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
                self.chunks.push(Vec::with_capacity(CHUNK));
            }
            let Some(chunk) = self.chunks.last_mut() else { return };
            let (now, later) = rows.split_at(rows.len().min(CHUNK - chunk.len()));
            chunk.extend_from_slice(now);
            rows = later;
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// A row by its place, which must be below [`Rows::len`].
    #[inline]
    pub fn at(&self, place: u32) -> &T {
        let place = place as usize;
        &self.chunks[place / CHUNK][place % CHUNK]
    }

    /// All rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// All rows in order, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.chunks.iter_mut().flatten()
    }

    /// The chunks in order.
    pub fn chunks(&self) -> &[Vec<T>] {
        &self.chunks
    }
}

impl<T: Copy> FromIterator<T> for Rows<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut rows = Rows::default();
        for item in items {
            rows.extend(&[item]);
        }
        rows
    }
}
