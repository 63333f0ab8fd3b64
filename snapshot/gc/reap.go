package gc

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"larder/snapshot"
)

// reap takes the leases and instances of dead containers: a runtime need not run its poststop hook.
func (r *run) reap() error {
	// Listed before the leases: an instance is made after its lease, so one that is in this list
	// and has no lease later has been released.
	instances, err := os.ReadDir(r.store.InstancesDir())
	if err != nil {
		return fmt.Errorf("list instances: %w: %w", snapshot.ErrDamaged, err)
	}
	leases, err := r.store.Leases()
	if err != nil {
		return fmt.Errorf("%w: %w; nothing was deleted", snapshot.ErrDamaged, err)
	}
	if _, err := snapshot.BootID(); err != nil && len(leases) > 0 {
		r.warn("%v: every container counts as alive", err)
	}
	owned := map[string]bool{}
	for _, l := range leases {
		name := strings.TrimSuffix(l.File, ".json")
		owned[name] = true
		if l.Unreadable != nil {
			r.warn("%v: treated as in use by every snapshot; remove leases/%s when no container needs it", l.Unreadable, l.File)
			continue
		}
		dead, why := l.Dead()
		if !dead && why != "" {
			r.warn("lease of container %q: %s: kept", l.Container, why)
		}
		if !dead {
			continue
		}
		if needed := r.stays(filepath.Join(r.store.InstancesDir(), name), l.OtherBoot()); needed != "" {
			r.warn("lease of container %q: %s, but %s: kept", l.Container, why, needed)
			continue
		}
		if !r.opts.DryRun {
			if done, err := r.store.Reap(l); err != nil {
				return err
			} else if !done {
				continue // released, or a new container of that id, since we looked
			}
		}
		r.report.Reaped = append(r.report.Reaped, Container{ID: l.Container, Reason: why})
	}
	for _, e := range instances {
		dir := filepath.Join(r.store.InstancesDir(), e.Name())
		if owned[e.Name()] {
			continue
		}
		if needed := r.stays(dir, false); needed != "" {
			r.warn("instances/%s of no container: %s: kept", e.Name(), needed)
			continue
		}
		if !r.opts.DryRun {
			if done, err := r.store.ReapInstance(e.Name()); err != nil {
				return err
			} else if !done {
				continue
			}
		}
		r.report.Instances++
	}
	return nil
}

// stays is why an instance directory must stay though its container is dead, or "" when it is
// proven that nobody needs it. No mount outlives the boot it was made in.
func (r *run) stays(dir string, otherBoot bool) string {
	locked, err := snapshot.InstanceLocked(dir)
	if err != nil {
		return fmt.Sprintf("whether its instance is locked cannot be told (%v)", err)
	}
	if locked {
		return "its instance is locked"
	}
	if r.opts.Mounted == nil || otherBoot {
		return ""
	}
	mounted, err := r.opts.Mounted(dir)
	if err != nil {
		return fmt.Sprintf("whether a mount needs its instance cannot be told (%v)", err)
	}
	if mounted {
		return "a process it left behind still uses its instance"
	}
	return ""
}
