//! Readers of data files and writers of results.
