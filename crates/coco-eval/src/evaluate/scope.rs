//! Which images and categories are evaluated: what was typed, resolved against a data set.

use std::collections::HashSet;
use std::sync::Arc;

use super::error::EvaluateError;
use super::params::{Params, Protocol};
use crate::coco::{
    Among, ClassNames, DataSet, DatasetNames, Id, Ids, Index, IouType, Lookup, NOWHERE, Needed, TruthShapes,
    quoted,
};

/// Which images and categories are evaluated, and where they stand.
#[derive(Debug)]
pub(super) struct Scope {
    /// The evaluated images in order.
    pub(super) images: Vec<Id>,
    /// The evaluated categories, each once.
    pub(super) categories: Vec<Id>,
    /// Without categories: places in `categories`, in pycocotools' order and with its repetitions.
    pub(super) together: Option<Vec<u32>>,
    pub(super) image_index: Arc<Index>,
    pub(super) category_index: Index,
}

impl Scope {
    /// Resolves what was typed against a data set.
    pub(super) fn new(set: &mut DataSet, params: &Params) -> Result<Scope, EvaluateError> {
        let listed_images: Vec<Id> = set.images().iter().map(|image| image.id).collect();
        let listed_categories: Vec<Id> = set.categories().iter().map(|category| category.id).collect();
        let images = match &params.image_ids {
            Some(typed) => {
                let listed: HashSet<Id> = listed_images.into_iter().collect();
                typed.iter().map(|text| typed_id(text, &listed, &mut set.ids)).collect()
            }
            None => listed_images,
        };
        let typed_categories = match &params.category_ids {
            Some(typed) => Some(typed_categories(set, typed, &listed_categories)?),
            None => None,
        };
        let ids = &set.ids;
        let mixed = |what, (a, b)| EvaluateError::Mixed {
            what,
            one: ids.show(a).to_string(),
            other: ids.show(b).to_string(),
        };
        let mut images: Vec<Id> = images;
        ids.sort(&mut images).map_err(|pair| mixed("image", pair))?;
        let in_order = match typed_categories {
            Some(typed) => typed,
            None => {
                let mut unique = listed_categories.clone();
                ids.sort(&mut unique).map_err(|pair| mixed("category", pair))?;
                let index = Index::new(&unique);
                let mut all = listed_categories;
                all.sort_by_key(|&id| index.get(id));
                all
            }
        };
        let mut categories = in_order.clone();
        match params.protocol {
            Protocol::Coco => ids.sort(&mut categories).map_err(|pair| mixed("category", pair))?,
            // lvis keeps the order that is asked for.
            Protocol::Lvis => {
                let mut met = HashSet::new();
                categories.retain(|&id| met.insert(id));
            }
        }
        let category_index = Index::new(&categories);
        let place = |&id: &Id| category_index.get(id).unwrap_or(NOWHERE);
        Ok(Scope {
            together: params.class_agnostic.then(|| in_order.iter().map(place).collect()),
            image_index: Arc::new(Index::new(&images)),
            category_index,
            images,
            categories,
        })
    }

    /// The same categories on other images, which must be in order.
    pub(super) fn with_images(&self, images: Vec<Id>) -> Scope {
        Scope {
            image_index: Arc::new(Index::new(&images)),
            images,
            categories: self.categories.clone(),
            together: self.together.clone(),
            category_index: self.category_index.clone(),
        }
    }

    /// The masks or key points of the annotations, which are taken out of the data set; nothing where boxes are compared.
    pub(super) fn truths(&self, set: &mut DataSet, params: &Params) -> Option<Arc<TruthShapes>> {
        if params.iou_type == IouType::Bbox {
            return None;
        }
        let needed = Needed {
            kind: params.iou_type,
            sigmas: &params.sigmas,
            images: &self.image_index,
            image_count: self.images.len(),
            categories: &self.category_index,
        };
        let outlines = set.take_outlines();
        let (truths, troubles) = TruthShapes::new(set, outlines, &needed);
        // Where no key points are compared, it does not matter what is wrong with them.
        let compared = !(params.iou_type == IouType::Keypoints && params.class_agnostic);
        set.keep_troubles(if compared { troubles } else { Default::default() });
        Some(Arc::new(truths))
    }

    /// Place of an evaluated image.
    pub(super) fn image(&self, id: Id) -> Option<u32> {
        self.image_index.get(id)
    }

    /// Place of an evaluated category.
    pub(super) fn category(&self, id: Id) -> Option<u32> {
        self.category_index.get(id)
    }

    /// How results are to be read.
    pub(super) fn lookup(&self, set: &DataSet, params: &Params, by_name: bool) -> Lookup {
        let mut listed: Vec<Id> = set.images().iter().map(|image| image.id).collect();
        listed.sort_unstable();
        listed.dedup();
        // Most often all images are evaluated, and in this order.
        let same = listed == self.images;
        let images = if same { Arc::clone(&self.image_index) } else { Arc::new(Index::new(&listed)) };
        Lookup {
            ids: set.ids.clone(),
            ranks: listed.iter().map(|&id| self.image_index.get(id).unwrap_or(NOWHERE)).collect(),
            images,
            categories: Index::new(&self.categories),
            category_count: self.categories.len(),
            keep_foreign: params.protocol == Protocol::Lvis,
            names: by_name.then(|| DatasetNames::of(set)),
            truths: None,
            among: Among::Own,
        }
    }
}

/// Categories as they are typed: by id, else by name.
fn typed_categories(set: &mut DataSet, typed: &[String], listed: &[Id]) -> Result<Vec<Id>, EvaluateError> {
    let names = ClassNames::new(set.named_categories_by_use());
    let listed: HashSet<Id> = listed.iter().copied().collect();
    let category = |text: &String| {
        let id = typed_id(text, &listed, &mut set.ids);
        if listed.contains(&id) {
            return Ok(id);
        }
        match names.get(text.trim()) {
            Some(id) => Ok(id),
            // A number or a string in quotes is an id, if one that nothing has.
            None if set.ids.text(id).is_none() || text.trim().starts_with(['"', '\'']) => Ok(id),
            None => Err(EvaluateError::NoCategory(quoted(text))),
        }
    };
    typed.iter().map(category).collect()
}

/// An id as it is typed: a listed number, else a listed string, else a number if it looks like one.
fn typed_id(text: &str, listed: &HashSet<Id>, ids: &mut Ids) -> Id {
    let bare = text.trim();
    let unquoted = ['\'', '"'].iter().find_map(|&quote| bare.strip_prefix(quote)?.strip_suffix(quote));
    let number = ids.of_number(bare).filter(|_| unquoted.is_none());
    if let Some(id) = number
        && listed.contains(&id)
    {
        return id;
    }
    let word = ids.of_text(unquoted.unwrap_or(bare));
    if listed.contains(&word) { word } else { number.unwrap_or(word) }
}
