//! Places where tests make the process die, or make it do wrong to see that they notice. Without the feature `failpoints` nothing of
//! them is in the program.

/// Marks a place by its name. A test sets what happens there, with `fail::cfg` or `fail::cfg_callback`.
#[cfg(feature = "failpoints")]
macro_rules! fail_point {
    ($name:literal) => {
        fail::fail_point!($name)
    };
}
#[cfg(not(feature = "failpoints"))]
macro_rules! fail_point {
    ($name:literal) => {};
}

/// Whether a test has set this fault to `return`: a mistake that other tests must be able to find.
#[cfg(all(feature = "failpoints", feature = "sqlite"))]
macro_rules! planted {
    ($name:literal) => {
        (|| {
            fail::fail_point!($name, |_argument| true);
            false
        })()
    };
}
#[cfg(all(not(feature = "failpoints"), feature = "sqlite"))]
macro_rules! planted {
    ($name:literal) => {
        false
    };
}
