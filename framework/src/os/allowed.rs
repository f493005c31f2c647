//! How many logical cores the kernel lets the calling thread use, from the text in which it says so.

/// The number of logical cores in a `status` file of `/proc`, from its list of what is allowed.
///
/// `None` if there is no list, or if it makes no sense.
pub(super) fn cores(status: &str) -> Option<usize> {
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut cores: usize = 0;
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        let count = last.checked_sub(first)?.checked_add(1)?;
        cores = cores.checked_add(count)?;
    }
    Some(cores)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::cores;

    #[test]
    fn ranges_and_single_cores_are_counted() {
        for (list, expected) in [
            ("0", Some(1)),
            ("0-1", Some(2)),
            ("0-3,8,10-11", Some(7)),
            ("4095", Some(1)),
            ("", None),
            ("3-1", None),
            ("0-", None),
            ("a", None),
            ("0,,1", None),
            ("0-18446744073709551615", None),
        ] {
            let status = format!(
                "Name:\tserver\nCpus_allowed:\t3\nCpus_allowed_list:\t{list}\nSeccomp:\t0\n"
            );
            assert_eq!(cores(&status), expected, "{list}");
        }
        assert_eq!(cores("Name:\tserver\n"), None, "no list");
    }
}
