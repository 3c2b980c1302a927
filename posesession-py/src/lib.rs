//! The native module of the Python package: thin classes over the Rust library. Python's arguments in, the library's work
//! without the GIL, Python's values out.
//!
//! `python/posesession/_native.pyi` is its documentation; the package's Python wraps it.

/// The native parts of the package.
#[pyo3::pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
