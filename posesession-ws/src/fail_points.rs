//! Places where tests make the program do wrong, to see that they notice. Without the feature `failpoints` nothing of them is in it.

/// Whether a test has set this fault to `return`: a mistake that other tests must be able to find.
#[cfg(feature = "failpoints")]
macro_rules! planted {
    ($name:literal) => {
        (|| {
            fail::fail_point!($name, |_argument| true);
            false
        })()
    };
}
#[cfg(not(feature = "failpoints"))]
macro_rules! planted {
    ($name:literal) => {
        false
    };
}
