//! The `smdrd` binary: argv to the library, exit code out.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    smdrd::cli::main()
}
