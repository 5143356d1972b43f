//! One file a family: tensor names and conventions into a [`crate::network::Network`].
