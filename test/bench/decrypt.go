package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// closePoll tells the end of a job so closely that a part in a hundred of it shows.
const closePoll = 20 * time.Millisecond

// decrypt: jobs whose input is encrypted, against the same with the clear file, in turn. The source has a high rate and the one output is small, so
// that reading counts for as much of the job as it can. Beside the time stands that of the processors, which other programs on the machine change less.
func (b *bench) decrypt() error {
	seconds := 20
	if b.quick {
		seconds = 2
	}
	film := filepath.Join(b.dir, "heavy.mp4")
	if err := b.command("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=1280x720:r=30:d=%d,noise=alls=12:allf=t", seconds),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=f=440:r=48000:d=%d", seconds), "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "40M", "-c:a", "aac", "-ac", "2", film); err != nil {
		return err
	}
	clearText, err := os.ReadFile(film)
	if err != nil {
		return err
	}
	s, err := b.serve()
	if err != nil {
		return err
	}
	defer s.stop()
	key, err := s.keys.CreateKey(b.ctx, &kms.CreateKeyInput{})
	if err != nil {
		return err
	}
	data, err := s.keys.GenerateDataKey(b.ctx, &kms.GenerateDataKeyInput{
		KeyId: key.KeyMetadata.KeyId, KeySpec: types.DataKeySpecAes256, EncryptionContext: map[string]string{"service": "mediaconvert.amazonaws.com"},
	})
	if err != nil {
		return err
	}
	if _, err := s.people.PutRolePolicy(b.ctx, &iam.PutRolePolicyInput{
		RoleName: aws.String(role[strings.LastIndexByte(role, '/')+1:]), PolicyName: aws.String("keys"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}]}`),
	}); err != nil {
		return err
	}
	block, err := aes.NewCipher(data.Plaintext)
	if err != nil {
		return err
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, aes.BlockSize)
	if err != nil {
		return err
	}
	iv := bytes.Repeat([]byte{7}, aes.BlockSize)
	ctr, pad := make([]byte, len(clearText)), aes.BlockSize-len(clearText)%aes.BlockSize
	cipher.NewCTR(block, iv).XORKeyStream(ctr, clearText)
	cbc := append(bytes.Clone(clearText), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(cbc, cbc)
	modes := []struct {
		name    string
		content []byte
	}{{"", clearText}, {"AES_CTR", ctr}, {"AES_CBC", cbc}, {"AES_GCM", gcm.Seal(nil, iv, clearText, nil)}}
	path := filepath.Join(b.dir, "sealed")
	settings := make([]string, len(modes))
	for i, m := range modes {
		if err := os.WriteFile(path, m.content, 0o600); err != nil {
			return err
		}
		name := fmt.Sprintf("in%d.mp4", i)
		if err := s.upload(b.ctx, "films", name, path); err != nil {
			return err
		}
		settings[i] = fmt.Sprintf(`{"Inputs": [{"FileInput": "s3://films/%s"}], "OutputGroups": [{"OutputGroupSettings": {"Type": "FILE_GROUP_SETTINGS",
			"FileGroupSettings": {"Destination": "s3://films/out/"}}, "Outputs": [%s]}]}`, name, output(rung{320, 180, 300_000, false}, "_small", "MP4"))
		settings[i] = strings.Replace(settings[i], `"FileInput"`, `"AudioSelectors": {"Audio Selector 1": {"DefaultSelection": "DEFAULT"}}, "FileInput"`, 1)
		if m.name != "" {
			settings[i] = strings.Replace(settings[i], `"FileInput"`, fmt.Sprintf(`"DecryptionSettings": {"DecryptionMode": %q, "EncryptedDecryptionKey": %q, "InitializationVector": %q}, "FileInput"`,
				m.name, base64.StdEncoding.EncodeToString(data.CiphertextBlob), base64.StdEncoding.EncodeToString(iv)), 1)
		}
	}
	took, busy := make([][]time.Duration, len(modes)), make([][]time.Duration, len(modes))
	for round := range 2*b.rounds + 1 {
		for i := range modes {
			i = (i + round) % len(modes) // whoever comes first has the coldest machine
			before, err := s.processor()
			if err != nil {
				return err
			}
			start := time.Now()
			id, err := s.submit(b.ctx, settings[i])
			if err != nil {
				return err
			}
			if err := s.poll(b.ctx, id, closePoll, nil); err != nil {
				return err
			}
			took[i] = append(took[i], time.Since(start))
			after, err := s.processor()
			if err != nil {
				return err
			}
			busy[i] = append(busy[i], after-before)
		}
	}
	for i, m := range modes[1:] {
		for _, measured := range []struct {
			what string
			all  [][]time.Duration
		}{{"", took}, {", processor time of server, worker and ffmpeg", busy}} {
			ours, clearOnes := median(measured.all[i+1]).Seconds(), median(measured.all[0]).Seconds()
			row(fmt.Sprintf("a job with an input of %d MiB in %s%s", len(clearText)>>20, m.name, measured.what), fmt.Sprintf("%.2f s", ours),
				fmt.Sprintf("%.2f s: the same with the clear file", clearOnes), fmt.Sprintf("%.3f", ours/clearOnes))
		}
	}
	return nil
}
