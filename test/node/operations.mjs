// Carries out operations of the newest model with the SDK for JavaScript and prints what it got: node operations.mjs FILE-ON-S3
import * as mc from '@aws-sdk/client-mediaconvert';

const [, , file, role] = process.argv;
const c = new mc.MediaConvertClient({ endpoint: process.env.AWS_ENDPOINT_URL, region: process.env.AWS_REGION });
const seen = {};
const call = async (name, input) => {
  try {
    const { $metadata, ...out } = await c.send(new mc[`${name}Command`](input));
    seen[name] = { status: $metadata.httpStatusCode };
    return out;
  } catch (e) {
    seen[name] = { error: e.name, message: e.message };
    return {};
  }
};
const settings = {
  ContainerSettings: { Container: 'MP4', Mp4Settings: {} },
  VideoDescription: { Width: 160, Height: 90, CodecSettings: { Codec: 'H_264', H264Settings: { RateControlMode: 'QVBR', MaxBitrate: 200000 } } },
  AudioDescriptions: [{ CodecSettings: { Codec: 'AAC', AacSettings: { Bitrate: 96000, CodingMode: 'CODING_MODE_2_0', SampleRate: 48000 } } }],
};
const { Queue } = await call('CreateQueue', { Name: 'js', ConcurrentJobs: 1 });
await call('UpdateQueue', { Name: 'js', Description: 'from JavaScript' });
await call('GetQueue', { Name: 'js' });
await call('ListQueues', {});
const { Preset } = await call('CreatePreset', { Name: 'js', Settings: settings });
await call('GetPreset', { Name: 'js' });
await call('UpdatePreset', { Name: 'js', Category: 'c' });
await call('ListPresets', { ListBy: 'SYSTEM' });
const group = {
  OutputGroupSettings: { Type: 'FILE_GROUP_SETTINGS', FileGroupSettings: { Destination: 's3://films/js/' } }, Outputs: [{ Preset: 'js' }],
};
await call('CreateJobTemplate', { Name: 'js', Settings: { OutputGroups: [group] }, Queue: 'js' });
await call('GetJobTemplate', { Name: 'js' });
await call('UpdateJobTemplate', { Name: 'js', Priority: 3 });
await call('ListJobTemplates', {});
const input = { FileInput: file, AudioSelectors: { 'Audio Selector 1': { DefaultSelection: 'DEFAULT' } } };
let { Job } = await call('CreateJob', { Role: role, JobTemplate: 'js', Settings: { Inputs: [input] } });
while (Job && !['COMPLETE', 'ERROR', 'CANCELED'].includes(Job.Status)) {
  await new Promise((r) => setTimeout(r, 100));
  ({ Job } = await call('GetJob', { Id: Job.Id }));
}
await call('ListJobs', {});
await call('SearchJobs', { InputFile: file });
const { Id } = await call('StartJobsQuery', { FilterList: [{ Key: 'queue', Values: ['js'] }] });
const { Jobs } = await call('GetJobsQueryResults', { Id });
await call('CancelJob', { Id: Job?.Id });
await call('TagResource', { Arn: Queue?.Arn, Tags: { a: 'b' } });
const { ResourceTags } = await call('ListTagsForResource', { Arn: Queue?.Arn });
await call('UntagResource', { Arn: Queue?.Arn, TagKeys: ['a'] });
await call('PutPolicy', { Policy: { HttpInputs: 'DISALLOWED' } });
const { Policy } = await call('GetPolicy', {});
await call('DeletePolicy', {});
const Arn = 'arn:aws:acm:us-east-1:000000000000:certificate/1-2';
await call('AssociateCertificate', { Arn });
await call('DisassociateCertificate', { Arn });
await call('CreateResourceShare', { JobId: Job?.Id, SupportCaseId: 'case' });
await call('ListVersions', {});
await call('DescribeEndpoints', {});
const { ProbeResults } = await call('Probe', { InputFiles: [{ FileUrl: file }] });
await call('DeleteJobTemplate', { Name: 'js' });
await call('DeletePreset', { Name: 'js' });
await call('DeleteQueue', { Name: 'js' });
console.log(JSON.stringify({
  seen, job: Job, jobs: Jobs?.length, tags: ResourceTags?.Tags, policy: Policy, preset: Preset?.Settings, tracks: ProbeResults?.[0]?.TrackMappings,
}));
