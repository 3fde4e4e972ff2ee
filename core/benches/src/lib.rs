//! Messages that every benchmark measures.
