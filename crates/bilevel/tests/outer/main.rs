//! Outer methods against closed forms and brute force, exact and inexact objectives.

mod descent;
mod objectives;
mod random;
mod scalar;
