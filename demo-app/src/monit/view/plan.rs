//! How many lines of a screen each part gets. Pure.

/// What there is to show.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// Lines of a complaint.
    pub(super) complaint: usize,
    pub(super) loops: usize,
    pub(super) lanes: usize,
    pub(super) routes: usize,
    pub(super) stalls: usize,
    pub(super) moves: usize,
}

/// Lines for each part, headings included; zero means that it is not shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) header: usize,
    pub(super) complaint: usize,
    pub(super) loops: usize,
    pub(super) lanes: usize,
    pub(super) routes: usize,
    pub(super) stalls: usize,
    pub(super) moves: usize,
    pub(super) footer: usize,
    /// Blank lines between parts.
    pub(super) gap: usize,
}

/// From this height on there is room for air, and for the moves.
const TALL: usize = 34;

impl Plan {
    pub(super) fn of(height: usize, wanted: Wanted) -> Self {
        let mut rest = height;
        let mut take = |lines: usize| {
            let taken = lines.min(rest);
            rest -= taken;
            taken
        };
        let tall = height >= TALL;
        let mut plan = Self {
            header: take(1),
            complaint: take(wanted.complaint),
            footer: take(usize::from(height >= 8)),
            gap: usize::from(tall),
            ..Self::default()
        };
        if tall {
            // Above each part but the first there may be one.
            take(4);
        }
        // First what each part cannot do without, as long as it fits, then more for those that want more.
        let loops = 1 + wanted.loops.max(1);
        let part = if height >= 14 {
            (rest / 3).max(2)
        } else {
            rest
        };
        plan.loops = grant(&mut rest, loops.min(part), 2);
        plan.routes = grant(&mut rest, 3, 3);
        plan.lanes = grant(&mut rest, 1 + wanted.lanes.max(1), 2);
        plan.stalls = grant(&mut rest, 2, 2);
        let (stalls, moves) = if tall { (8, 6) } else { (3, 0) };
        if wanted.moves > 0 {
            plan.moves = grant(&mut rest, 1 + wanted.moves.min(moves), 2);
        }
        if plan.stalls > 0 {
            plan.stalls += grant(&mut rest, wanted.stalls.clamp(1, stalls) - 1, 0);
        }
        if plan.routes > 0 {
            plan.routes += grant(&mut rest, (1 + wanted.routes).saturating_sub(3), 0);
        }
        // What the routes do not need.
        plan.loops += grant(&mut rest, loops.saturating_sub(plan.loops), 0);
        if plan.stalls > 0 {
            plan.stalls += grant(
                &mut rest,
                (1 + wanted.stalls).saturating_sub(plan.stalls),
                0,
            );
        }
        if plan.moves > 0 {
            plan.moves += grant(&mut rest, (1 + wanted.moves).saturating_sub(plan.moves), 0);
        }
        plan
    }
}

/// Takes up to `lines` of the rest, or nothing if that would be fewer than `least`.
fn grant(rest: &mut usize, lines: usize, least: usize) -> usize {
    let granted = lines.min(*rest);
    if granted < least {
        return 0;
    }
    *rest -= granted;
    granted
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted = Wanted {
        complaint: 0,
        loops: 2,
        lanes: 2,
        routes: 100,
        stalls: 10,
        moves: 10,
    };

    fn lines(plan: Plan) -> usize {
        let parts = [plan.loops, plan.lanes, plan.routes, plan.stalls, plan.moves];
        let gaps = parts
            .iter()
            .filter(|part| **part > 0)
            .count()
            .saturating_sub(1)
            * plan.gap;
        plan.header + plan.complaint + plan.footer + parts.iter().sum::<usize>() + gaps
    }

    #[test]
    fn all_parts_have_room_in_a_usual_terminal() {
        let plan = Plan::of(24, WANTED);
        assert_eq!(
            (plan.loops, plan.lanes, plan.routes, plan.stalls),
            (3, 3, 12, 4)
        );
        assert_eq!((plan.moves, plan.gap, lines(plan)), (0, 0, 24));
        let plan = Plan::of(50, WANTED);
        assert_eq!(
            (plan.loops, plan.lanes, plan.stalls, plan.moves),
            (3, 3, 9, 7)
        );
        assert_eq!((plan.routes, lines(plan)), (22, 50));
    }

    #[test]
    fn many_event_loops_leave_room_for_the_rest() {
        let plan = Plan::of(
            24,
            Wanted {
                loops: 64,
                ..WANTED
            },
        );
        assert_eq!(plan.loops, 7);
        assert!(
            plan.routes >= 3 && plan.lanes == 3 && plan.stalls >= 2,
            "{plan:?}"
        );
    }

    #[test]
    fn what_the_routes_do_not_need_others_get() {
        let plan = Plan::of(
            24,
            Wanted {
                routes: 2,
                loops: 9,
                stalls: 4,
                ..WANTED
            },
        );
        assert_eq!((plan.loops, plan.routes, plan.stalls), (10, 3, 5));
    }

    #[test]
    fn no_height_is_exceeded() {
        for height in 0..80 {
            for many in [0, 1, 2, 50, 5_000] {
                for complaint in [0, 1, 3] {
                    let wanted = Wanted {
                        complaint,
                        loops: many,
                        lanes: many,
                        routes: many,
                        stalls: many,
                        moves: many,
                    };
                    let plan = Plan::of(height, wanted);
                    assert!(lines(plan) <= height, "{height} {many}: {plan:?}");
                }
            }
        }
    }

    #[test]
    fn the_smallest_screens_show_the_event_loops() {
        assert_eq!(Plan::of(3, WANTED).loops, 2);
        assert_eq!(Plan::of(5, WANTED).loops, 3);
        assert_eq!(Plan::of(1, WANTED).loops, 0);
    }
}
