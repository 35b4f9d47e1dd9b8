package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/job"
	"darkroom/internal/mediaconvert"
)

// ReadSettings reads the settings of a job as they were recorded; that they cannot be read is a *job.Error.
func ReadSettings(raw []byte) (*types.JobSettings, error) {
	s := new(types.JobSettings)
	if faults := mediaconvert.Decode(raw, s); len(faults) > 0 {
		return nil, job.Errorf(1040, "The settings of the job cannot be read: %s.", mediaconvert.Message(faults))
	}
	return s, nil
}

// Access is what the settings of a job give reason to touch: the control plane narrows the job's credentials to it.
type Access struct {
	// Inputs are the files that are read: the films, then the files of captions.
	Inputs []Input
	// Outputs are the beginnings of every key that is written: base names, never a bare bucket. They say how the outputs are kept.
	Outputs []Location
}

// NewAccess reads the inputs and destinations of checked settings. start is the job's start, for the date and time in a destination.
func NewAccess(s *types.JobSettings, start time.Time) (Access, error) {
	var a Access
	for i := range s.Inputs {
		in, err := ParseInput(aws.ToString(s.Inputs[i].FileInput))
		if err != nil {
			return Access{}, fmt.Errorf("/inputs/%d/fileInput: %w", i, err)
		}
		if in.Decryption, err = newDecryption(s.Inputs[i].DecryptionSettings); err != nil {
			return Access{}, fmt.Errorf("/inputs/%d/decryptionSettings: %w", i, err)
		}
		a.Inputs = append(a.Inputs, in)
	}
	if len(a.Inputs) == 0 {
		return Access{}, fmt.Errorf("/inputs: no input")
	}
	v := variables{start: start, inputStem: a.Inputs[0].stem()}
	for i := range s.OutputGroups {
		d, err := resolveDestination(groupDestination(&s.OutputGroups[i]), a.Inputs[0], v)
		if err != nil {
			return Access{}, fmt.Errorf("/outputGroups/%d: destination: %w", i, err)
		}
		if d.storage, err = newStorage(s3Settings(&s.OutputGroups[i])); err != nil {
			return Access{}, fmt.Errorf("/outputGroups/%d: kmsEncryptionContext %w", i, err)
		}
		a.Outputs = append(a.Outputs, d.location(d.base))
	}
	captions, err := captionInputs(s)
	if err != nil {
		return Access{}, err
	}
	a.Inputs = append(a.Inputs, captions...)
	return a, nil
}

// Encrypted says whether an input is decrypted under a data key.
func (a Access) Encrypted() bool {
	return slices.ContainsFunc(a.Inputs, func(in Input) bool { return in.Decryption != nil })
}

func groupDestination(g *types.OutputGroup) string {
	s := g.OutputGroupSettings
	if s == nil {
		return ""
	}
	if p := newPackaging(s); p != nil {
		return p.destination
	}
	if s.FileGroupSettings != nil {
		return aws.ToString(s.FileGroupSettings.Destination)
	}
	return ""
}
