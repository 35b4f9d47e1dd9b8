package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"
)

// A plan is how the first process is started and which layers it puts around itself.
type plan struct {
	layers []Layer
	// uid and gid are taken before the program starts; -1 leaves them.
	uid, gid int
}

// candidates are the plans to try, best first. Root maps two ids into the user namespace: its own, under which the first process can
// still open a program that only root may read while it builds the mount view, and the unprivileged one that the program runs under.
func candidates(options Options, root bool) []plan {
	without := func(missing ...Layer) []Layer {
		return slices.DeleteFunc(slices.Clone(layers), func(l Layer) bool { return slices.Contains(missing, l) })
	}
	if !root {
		return []plan{
			{layers: without(), uid: -1, gid: -1},
			{layers: without(UserNamespace, NetworkNamespace, MountNamespace, PIDNamespace, IPCNamespace, UTSNamespace, CgroupNamespace), uid: -1, gid: -1},
		}
	}
	uid, gid := options.UID, options.GID
	if uid == 0 {
		uid = DefaultUID
	}
	if gid == 0 {
		gid = DefaultUID
	}
	return []plan{
		{layers: without(), uid: uid, gid: gid},
		{layers: without(UserNamespace), uid: uid, gid: gid},
		{layers: without(UnprivilegedUser), uid: -1, gid: -1},
		{layers: without(UserNamespace, UnprivilegedUser), uid: -1, gid: -1},
	}
}

func (p plan) has(layer Layer) bool { return slices.Contains(p.layers, layer) }

func (p plan) without(layer Layer) plan {
	p.layers = slices.DeleteFunc(slices.Clone(p.layers), func(l Layer) bool { return l == layer })
	if layer == UnprivilegedUser {
		p.uid, p.gid = -1, -1
	}
	return p
}

// sysProcAttr starts the first process in the plan's namespaces.
func (p plan) sysProcAttr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	for _, ns := range namespaces {
		if p.has(ns.layer) {
			attr.Cloneflags |= ns.flag
		}
	}
	if !p.has(UserNamespace) {
		return attr
	}
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	if p.uid > 0 {
		attr.UidMappings = append(attr.UidMappings, syscall.SysProcIDMap{ContainerID: p.uid, HostID: p.uid, Size: 1})
		attr.GidMappings = append(attr.GidMappings, syscall.SysProcIDMap{ContainerID: p.gid, HostID: p.gid, Size: 1})
		attr.GidMappingsEnableSetgroups = true
	}
	return attr
}

// try confines a process that does nothing, dropping one by one the layers that cannot be had, and returns the plan that held.
func (p plan) try(ctx context.Context, executable string) (Report, plan, error) {
	why := make(map[Layer]string)
	trial, err := p.trial(ctx, executable)
	if errors.Is(err, errSpawn) {
		// clone(2) fails as a whole: find the namespaces that it refuses.
		for _, ns := range namespaces {
			if !p.has(ns.layer) || ns.layer == UserNamespace {
				continue
			}
			alone := plan{uid: p.uid, gid: p.gid, layers: []Layer{ns.layer}}
			if p.has(UserNamespace) {
				alone.layers = append(alone.layers, UserNamespace)
			}
			if _, refused := alone.trial(ctx, executable); errors.Is(refused, errSpawn) {
				why[ns.layer] = refused.Error()
				p = p.without(ns.layer)
			}
		}
		if len(why) == 0 {
			return Report{}, plan{}, err
		}
		trial, err = p.trial(ctx, executable)
	}
	if err != nil {
		return Report{}, plan{}, err
	}
	maps.Copy(why, trial.Missing)
	for layer := range trial.Missing {
		p = p.without(layer)
	}
	if len(trial.Missing) > 0 {
		// What was missing may have carried another layer: what is left must hold by itself.
		if trial, err = p.trial(ctx, executable); err != nil {
			return Report{}, plan{}, err
		}
		for layer, detail := range trial.Missing {
			why[layer] = detail
			p = p.without(layer)
		}
	}
	report := Report{LandlockABI: trial.LandlockABI, UID: os.Geteuid()}
	if p.uid > 0 {
		report.UID = p.uid
	}
	for _, layer := range layers {
		l := LayerReport{Layer: layer, Present: p.has(layer)}
		if layer == UnprivilegedUser {
			l.Present = report.UID != 0
		}
		if !l.Present {
			l.Detail = why[layer]
			if l.Detail == "" {
				l.Detail = "not available to this process"
			}
		}
		report.Layers = append(report.Layers, l)
	}
	return report, p, nil
}

// trial starts a process under the plan that reports which layers it could not put around itself.
func (p plan) trial(ctx context.Context, executable string) (trialResult, error) {
	spawned, err := spawn(executable, p, nil)
	if err != nil {
		return trialResult{}, err
	}
	defer spawned.end()
	config := initConfig{Layers: p.layers, UID: p.uid, GID: p.gid, Trial: true, Listen: p.has(NetworkNamespace), Limits: Limits{}.withDefaults(0, 1)}
	result, err := spawned.trial(ctx, config)
	if err != nil {
		return trialResult{}, fmt.Errorf("try the sandbox: %w", err)
	}
	return result, nil
}
