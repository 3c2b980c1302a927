//! Work that blocks or computes for long, away from the async threads.

use crate::error::StoreError;

/// Runs work of a back end on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    backend: &'static str,
    operation: &'static str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(broken) => {
            Err(StoreError::Backend { backend, operation, retryable: false, source: Box::new(broken) })
        }
    }
}
