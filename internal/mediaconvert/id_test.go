package mediaconvert_test

import (
	"testing"
	"time"

	"darkroom/internal/mediaconvert"
)

func TestJobID(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1515368087458)
	if got, want := mediaconvert.JobID(at, [8]byte{}), "1515368087458-aaaaaa"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	seen := make(map[string]bool)
	for i := range 2000 {
		id := mediaconvert.JobID(at, [8]byte{0, 0, 0, 0, 0, 0, byte(i >> 8), byte(i)})
		if !mediaconvert.ValidJobID(id) {
			t.Errorf("%s is not valid", id)
		}
		if seen[id] {
			t.Errorf("%s is made twice", id)
		}
		seen[id] = true
	}
	if early, late := mediaconvert.JobID(at, [8]byte{255}), mediaconvert.JobID(at.Add(time.Millisecond), [8]byte{}); early >= late {
		t.Errorf("%s is not before %s", early, late)
	}
}

func TestValidJobID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"1515368087458-qnoxtd", "0000000000000-000000", "9999999999999-zzzzz9"} {
		if !mediaconvert.ValidJobID(id) {
			t.Errorf("%q is not valid", id)
		}
	}
	for _, id := range []string{
		"", "1515368087458", "1515368087458-", "1515368087458-qnoxt", "1515368087458-qnoxtdx", "1515368087458-QNOXTD", "151536808745x-qnoxtd",
		"151536808745-qnoxtda", "1515368087458_qnoxtd", "-515368087458-qnoxtd", " 515368087458-qnoxtd", "1515368087458-qnoxé", "../5368087458-qnoxtd",
	} {
		if mediaconvert.ValidJobID(id) {
			t.Errorf("%q is valid", id)
		}
	}
}
