//! What a line costs has a bound that does not grow with what came before it.
