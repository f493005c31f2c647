//! What control groups of all kinds mean, as tables of the texts that a kernel shows.

use std::{collections::BTreeMap, path::Path};

use super::tightest;

/// A quota read from a few files, given as pairs of path and text.
fn quota(files: &[(&str, &str)]) -> Option<f64> {
    let files: BTreeMap<&Path, &str> = files
        .iter()
        .map(|(path, text)| (Path::new(*path), *text))
        .collect();
    tightest(|path| files.get(path).map(|text| (*text).to_owned()))
}

/// As [`quota`], with what the process is in and what is mounted.
fn quota_in(cgroups: &str, mounts: &str, files: &[(&str, &str)]) -> Option<f64> {
    let proc = [
        ("/proc/self/cgroup", cgroups),
        ("/proc/self/mountinfo", mounts),
    ];
    quota(&[&proc, files].concat())
}

const V2: &str = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                  30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const V1: &str = "33 32 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
                  34 32 0:30 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n";

#[test]
fn version_two_has_quota_and_period_in_one_file() {
    for (text, expected) in [
        ("150000 100000\n", Some(1.5)),
        ("50000 100000\n", Some(0.5)),
        ("800000 200000", Some(4.0)),
        ("max 100000\n", None),
        ("max\n", None),
        ("", None),
        ("100000\n", None),
        ("0 100000\n", None),
        ("100000 0\n", None),
        ("-1 100000\n", None),
        ("NaN 100000\n", None),
        ("inf 100000\n", None),
        ("1e5 100000\n", None),
        ("garbage in\n", None),
    ] {
        let files = [("/sys/fs/cgroup/app/cpu.max", text)];
        assert_eq!(quota_in("0::/app\n", V2, &files), expected, "{text:?}");
    }
}

#[test]
fn version_one_has_two_files_and_minus_one_for_none() {
    let cgroups = "5:memory:/other\n4:cpu,cpuacct:/app\n0::/\n";
    for (quota, period, expected) in [
        ("150000\n", "100000\n", Some(1.5)),
        ("-1\n", "100000\n", None),
        ("0\n", "100000\n", None),
        ("100000\n", "0\n", None),
        ("\n", "100000\n", None),
        ("x\n", "y\n", None),
    ] {
        let files = [
            ("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", quota),
            ("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us", period),
        ];
        assert_eq!(
            quota_in(cgroups, V1, &files),
            expected,
            "{quota:?}, {period:?}"
        );
    }
    let half = [(
        "/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us",
        "150000\n",
    )];
    assert_eq!(quota_in(cgroups, V1, &half), None, "no period");
}

#[test]
fn the_tightest_of_a_group_and_those_above_it_counts() {
    let (top, outer, inner) = (
        "/sys/fs/cgroup/cpu.max",
        "/sys/fs/cgroup/a/cpu.max",
        "/sys/fs/cgroup/a/b/cpu.max",
    );
    let cgroups = "0::/a/b\n";
    for (files, expected) in [
        (
            &[(outer, "300000 100000"), (inner, "200000 100000")][..],
            Some(2.0),
        ),
        (
            &[(outer, "100000 100000"), (inner, "200000 100000")],
            Some(1.0),
        ),
        (
            &[(outer, "100000 100000"), (inner, "max 100000")],
            Some(1.0),
        ),
        (&[(top, "250000 100000"), (inner, "max 100000")], Some(2.5)),
        (&[(outer, "nonsense"), (inner, "200000 100000")], Some(2.0)),
        (&[("/sys/fs/cgroup/a/c/cpu.max", "100000 100000")], None),
        (&[], None),
    ] {
        assert_eq!(quota_in(cgroups, V2, files), expected, "{files:?}");
    }
}

#[test]
fn a_container_sees_its_own_group_as_the_root() {
    let own = "150000 100000\n";
    for (what, cgroups, mounts, file) in [
        (
            "a namespace of its own",
            "0::/\n",
            V2.to_owned(),
            "/sys/fs/cgroup/cpu.max",
        ),
        (
            "the host's path, and only its own group mounted",
            "0::/docker/1f\n",
            V2.replace(" / /sys/fs/cgroup", " /docker/1f /sys/fs/cgroup"),
            "/sys/fs/cgroup/cpu.max",
        ),
        (
            "a group within that",
            "0::/docker/1f/app\n",
            V2.replace(" / /sys/fs/cgroup", " /docker/1f /sys/fs/cgroup"),
            "/sys/fs/cgroup/app/cpu.max",
        ),
        (
            "a path outside of its namespace",
            "0::/../other\n",
            V2.to_owned(),
            "/sys/fs/cgroup/cpu.max",
        ),
        (
            "a path that only begins like what is mounted",
            "0::/docker/1fee\n",
            V2.replace(" / /sys/fs/cgroup", " /docker/1f /sys/fs/cgroup"),
            "/sys/fs/cgroup/cpu.max",
        ),
        (
            "a second mount that shows nothing of it",
            "0::/app\n",
            format!("{V2}40 22 0:26 /other /mnt rw - cgroup2 cgroup2 rw\n"),
            "/sys/fs/cgroup/app/cpu.max",
        ),
        (
            "a mount point with a blank",
            "0::/app\n",
            V2.replace("/sys/fs/cgroup", r"/sys/fs/c\040group"),
            "/sys/fs/c group/app/cpu.max",
        ),
    ] {
        assert_eq!(
            quota_in(cgroups, &mounts, &[(file, own)]),
            Some(1.5),
            "{what}"
        );
    }
}

#[test]
fn with_both_versions_the_one_with_the_controller_is_found() {
    let mounts = format!(
        "{V1}{}",
        V2.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
    );
    let cgroups = "4:cpuset:/set\n3:cpu,cpuacct:/app\n0::/app\n";
    let one = [
        ("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", "300000"),
        ("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us", "100000"),
    ];
    assert_eq!(quota_in(cgroups, &mounts, &one), Some(3.0));
    let two = [("/sys/fs/cgroup/unified/app/cpu.max", "200000 100000")];
    assert_eq!(quota_in(cgroups, &mounts, &two), Some(2.0));
}

#[test]
fn what_is_missing_or_garbage_limits_nothing() {
    let file = [("/sys/fs/cgroup/app/cpu.max", "150000 100000")];
    for (cgroups, mounts) in [
        ("", V2),
        ("0::/app\n", ""),
        ("0:/app\n", V2),
        ("\u{0}\u{fffd}:::\n", V2),
        ("1:name=systemd:/app\n", V2),
        (
            "0::/app\n",
            "30 22 0:26 / /sys/fs/cgroup rw cgroup2 cgroup2 rw\n",
        ),
        ("0::/app\n", "30 - cgroup2\n"),
        ("1:cpu:/app\n", "33 32 0:29 / /sys/fs/cgroup rw - cgroup\n"),
        (
            "1:cpu:/app\n",
            "33 32 0:29 / /sys/fs/cgroup rw - cgroup cgroup rw,cpuset\n",
        ),
    ] {
        assert_eq!(
            quota_in(cgroups, mounts, &file),
            None,
            "{cgroups:?}, {mounts:?}"
        );
    }
    assert_eq!(quota(&file), None, "no /proc at all");
}
