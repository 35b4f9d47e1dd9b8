package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/media"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/plan"
)

// A console export says every member of a codec, whether it matters or not.
const exported = `"videoDescription":{"scalingBehavior":"DEFAULT","timecodeInsertion":"DISABLED","antiAlias":"ENABLED","sharpness":50,"afdSignaling":"NONE","dropFrameTimecode":"ENABLED","respondToAfd":"NONE","colorMetadata":"INSERT","width":%d,"height":%d,` +
	`"codecSettings":{"codec":"H_264","h264Settings":{"interlaceMode":"PROGRESSIVE","parNumerator":1,"numberReferenceFrames":3,"syntax":"DEFAULT","softness":0,"framerateDenominator":1001,"gopClosedCadence":1,"hrdBufferInitialFillPercentage":90,` +
	`"gopSize":90,"slices":1,"gopBReference":"ENABLED","hrdBufferSize":12500000,"maxBitrate":%d,"slowPal":"DISABLED","parDenominator":1,"spatialAdaptiveQuantization":"ENABLED","temporalAdaptiveQuantization":"ENABLED","flickerAdaptiveQuantization":"DISABLED",` +
	`"entropyEncoding":"CABAC","framerateControl":"SPECIFIED","rateControlMode":"QVBR","qvbrSettings":{"qvbrQualityLevel":8},"codecProfile":"HIGH","telecine":"NONE","framerateNumerator":30000,"minIInterval":0,"adaptiveQuantization":"HIGH","codecLevel":"AUTO",` +
	`"fieldEncoding":"PAFF","sceneChangeDetect":"ENABLED","qualityTuningLevel":"SINGLE_PASS","framerateConversionAlgorithm":"DUPLICATE_DROP","unregisteredSeiTimecode":"DISABLED","gopSizeUnits":"FRAMES","parControl":"SPECIFIED","numberBFramesBetweenReferenceFrames":2,"repeatPps":"DISABLED"}}}`

const exportedSound = `"audioDescriptions":[{"audioTypeControl":"FOLLOW_INPUT","audioSourceName":"Audio Selector 1","codecSettings":{"codec":"AAC","aacSettings":{"audioDescriptionBroadcasterMix":"NORMAL","bitrate":96000,"rateControlMode":"CBR","codecProfile":"LC",` +
	`"codingMode":"CODING_MODE_2_0","rawFormat":"NONE","sampleRate":48000,"specification":"MPEG4"}},"languageCodeControl":"FOLLOW_INPUT"}]`

// export is a job of n outputs as the console writes it.
func export(n int) string {
	outputs := make([]string, n)
	for i := range outputs {
		outputs[i] = fmt.Sprintf(`{"containerSettings":{"container":"MP4","mp4Settings":{"cslgAtom":"INCLUDE","freeSpaceBox":"EXCLUDE","moovPlacement":"PROGRESSIVE_DOWNLOAD"}},"nameModifier":"_%d",`+exported+`,`+exportedSound+`}`,
			i, 320+16*i, 180+8*i, 1_000_000+i)
	}
	return `{"timecodeConfig":{"source":"ZEROBASED"},"adAvailOffset":0,"inputs":[{"filterEnable":"AUTO","psiControl":"USE_PSI","filterStrength":0,"deblockFilter":"DISABLED","denoiseFilter":"DISABLED","timecodeSource":"ZEROBASED",` +
		`"fileInput":"s3://films/film.mp4","videoSelector":{"colorSpace":"FOLLOW"},"audioSelectors":{"Audio Selector 1":{"offset":0,"defaultSelection":"DEFAULT","programSelection":1}}}],` +
		`"outputGroups":[{"name":"File Group","outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://films/out/"}},"outputs":[` + strings.Join(outputs, ",") + `]}]}`
}

// codec: a large job is read, judged and written on one core.
func (b *bench) codec() error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	text := []byte(export(30))
	times := 300
	if b.quick {
		times = 10
	}
	each := func(f func() error) (time.Duration, error) {
		var all []time.Duration
		for range times {
			start := time.Now()
			if err := f(); err != nil {
				return 0, err
			}
			all = append(all, time.Since(start))
		}
		return median(all), nil
	}
	able := plan.Capabilities{Encoders: []media.Codec{media.AVC, media.AAC}, StillPictures: true, Deinterlace: true}
	var job types.JobSettings
	judged, err := each(func() error {
		job = types.JobSettings{}
		if faults := mediaconvert.Decode(text, &job); len(faults) > 0 {
			return fmt.Errorf("the job is invalid: %s", mediaconvert.Message(faults))
		}
		if invalid, lacks := plan.Check(&job, able); len(invalid)+len(lacks) > 0 {
			return fmt.Errorf("the job is refused: %v %v", invalid, lacks)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var theirs any
	peer, err := each(func() error { return json.Unmarshal(text, &theirs) })
	if err != nil {
		return err
	}
	written, err := each(func() error { _, err := mediaconvert.Encode(&job); return err })
	if err != nil {
		return err
	}
	wrote, err := each(func() error { _, err := json.Marshal(theirs); return err })
	if err != nil {
		return err
	}
	ms := func(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }
	kb := len(text) / 1000
	row(fmt.Sprintf("a job of 30 outputs and %d kB decoded and validated, one core", kb), ms(judged), ms(peer)+": encoding/json into any, unchecked", fmt.Sprintf("%.2f", judged.Seconds()/peer.Seconds()))
	row(fmt.Sprintf("a job of 30 outputs and %d kB encoded, one core", kb), ms(written), ms(wrote)+": encoding/json from any", fmt.Sprintf("%.2f", written.Seconds()/wrote.Seconds()))
	return nil
}
