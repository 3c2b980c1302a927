//! The native module of the Python package: thin classes over the Rust library. Python's arguments in, the library's work
//! without the GIL, Python's values out.
//!
//! `python/posesession/_native.pyi` is its documentation; the package's Python wraps it.

mod errors;
mod runtime;
mod convert;
mod place;
mod arrays;
mod record;
mod replay;
mod arrow;
mod transfer;
mod store;
mod client;
mod server;

/// The native parts of the package.
#[pyo3::pymodule]
mod _native {
    use std::ffi::OsString;

    use posesession_core::Skeleton;
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::arrays::NativeArrays;
    #[pymodule_export]
    use crate::client::NativeClient;
    #[pymodule_export]
    use crate::record::{NativePublication, NativeRecording};
    #[pymodule_export]
    use crate::replay::{NativeFrame, NativeReplay};
    #[pymodule_export]
    use crate::server::NativeServer;
    #[pymodule_export]
    use crate::store::NativeStore;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }

    #[pyfunction]
    fn run_cli(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
        crate::server::run_cli(py, arguments)
    }

    #[pyfunction]
    fn presets() -> Vec<&'static str> {
        Skeleton::preset_names().to_vec()
    }

    #[pyfunction]
    fn preset_skeleton<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let skeleton = Skeleton::preset(name).map_err(crate::errors::bad_argument)?;
        crate::convert::to_python(py, &skeleton)
    }
}
