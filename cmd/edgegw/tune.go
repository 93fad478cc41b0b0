package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"edgegw/internal/clock"
	"edgegw/internal/command"
	"edgegw/internal/password"
)

// Limits of what tune is asked for.
const (
	minTuneTime = 10 * time.Millisecond
	maxTuneTime = 10 * time.Second
)

func tuneCommand() *command.Command {
	var asJSON bool
	target := 250 * time.Millisecond
	memory := sizeKiB(password.MaxMemoryKiB)
	threads := uint8(1)
	cmd := &command.Command{
		Use:   "tune",
		Short: "Measure this machine and print the argon2 options with which a login takes about --time",
		Args: func(cmd *command.Command, args []string) error {
			if target < minTuneTime || target > maxTuneTime {
				return fmt.Errorf("--time is %s to %s", minTuneTime, maxTuneTime)
			}
			if threads < 1 || threads > password.MaxThreads {
				return fmt.Errorf("--threads is 1 to %d", password.MaxThreads)
			}
			return command.NoArgs(cmd, args)
		},
		Run: func(cmd *command.Command, _ []string) error {
			return tune(cmd.Context(), cmd, target, uint32(memory), threads, asJSON)
		},
	}
	cmd.Flags().DurationVar(&target, "time", target, "how long hashing one password should take")
	cmd.Flags().Var(&memory, "memory", "the most memory for hashing one password, 7MiB to 64MiB")
	cmd.Flags().Uint8Var(&threads, "threads", threads, "threads for hashing one password, 1 to 4")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// tuneJSON has the names of the options.
type tuneJSON struct {
	MemoryKiB  uint32 `json:"argon2_memory_kib"`
	Time       uint32 `json:"argon2_time"`
	Threads    uint8  `json:"argon2_threads"`
	MeasuredMS int64  `json:"measured_ms"`
}

func tune(ctx context.Context, cmd *command.Command, target time.Duration, memoryKiB uint32, threads uint8, asJSON bool) error {
	// The time since boot is all that is asked: the wall clock may be set
	// meanwhile.
	boot := clock.System(time.Time{}).Boot
	now := func() time.Time { return time.Unix(0, int64(boot())) }
	p, took, err := password.Tune(ctx, target, memoryKiB, threads, now)
	if err != nil {
		return err
	}
	if took > target {
		hint(cmd, "even the least that is still safe takes %d ms here, more than was asked for", took.Milliseconds())
	}
	if asJSON {
		return printJSON(cmd, tuneJSON{MemoryKiB: p.MemoryKiB, Time: p.Time, Threads: p.Threads, MeasuredMS: took.Milliseconds()})
	}
	return say(cmd, "# hashing one password took %d ms here; asked for: %d ms\nargon2_memory_kib = %d\nargon2_time = %d\nargon2_threads = %d",
		took.Milliseconds(), target.Milliseconds(), p.MemoryKiB, p.Time, p.Threads)
}

// sizeKiB is a flag for an amount of memory, such as 64MiB or 19456KiB.
type sizeKiB uint32

var errSize = errors.New("give a size such as 64MiB or 19456KiB, 7MiB to 64MiB")

// Set implements command.Value.
func (s *sizeKiB) Set(text string) error {
	digits, unit := text, uint64(0)
	if d, found := strings.CutSuffix(text, "KiB"); found {
		digits, unit = d, 1
	} else if d, found := strings.CutSuffix(text, "MiB"); found {
		digits, unit = d, 1<<10
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if n *= unit; err != nil || n < password.MinMemoryKiB || n > password.MaxMemoryKiB {
		return errSize
	}
	*s = sizeKiB(n)
	return nil
}

// String implements command.Value.
func (s *sizeKiB) String() string {
	if *s%(1<<10) == 0 {
		return strconv.Itoa(int(*s>>10)) + "MiB"
	}
	return strconv.Itoa(int(*s)) + "KiB"
}

// Type implements command.Value.
func (s *sizeKiB) Type() string { return "size" }
