// Plays a package with a token. Both stand in the fragment of the address, which the browser sends to nobody: #t=TOKEN&m=MANIFEST, and p=shaka for the other player of HLS.
//
// window.darkroom shows what happens, for who drives the page: played resolves when the film has ended or cannot go on.
'use strict';

(() => {
  const video = document.getElementById('video');
  const state = document.getElementById('state');
  const menu = (id) => document.getElementById(id);
  const seen = { player: '', errors: [], levels: [], sounds: [], captions: [] };
  let finish;
  const darkroom = { seen, video, player: null, played: new Promise((resolve) => { finish = resolve; }) };
  window.darkroom = darkroom;

  const say = (text, failed) => {
    state.textContent = text;
    state.className = failed ? 'failed' : '';
  };
  const done = () => {
    const q = video.getVideoPlaybackQuality();
    finish({ ...seen, frames: q.totalVideoFrames, dropped: q.droppedVideoFrames, duration: video.duration, time: video.currentTime, width: video.videoWidth });
  };
  const fail = (text) => {
    seen.errors.push(text);
    say(text, true);
    done();
  };

  // The token leaves the address, where history and bookmarks would keep it, for the memory of this tab.
  const given = new URLSearchParams(location.hash.slice(1));
  if (given.has('t')) {
    sessionStorage.setItem('token', given.get('t'));
    given.delete('t');
    history.replaceState(null, '', location.pathname + '#' + given);
  }
  const token = sessionStorage.getItem('token');
  const manifest = given.get('m');
  if (!token || !/^[A-Za-z0-9_-]+$/.test(token) || !manifest) {
    fail('There is no token in the address. Ask for one: darkroom play s3://BUCKET/PREFIX/MANIFEST');
    return;
  }
  const base = new URL('/player/t/' + token + '/', location.origin);
  const licence = new URL('clearkey', base).href;
  const source = new URL('media/' + manifest.split('/').map(encodeURIComponent).join('/'), base).href;
  const shown = (text) => String(text).replaceAll(token, '…');

  // Playlists name keys by an address that has no token: it is put in, and asked for at this origin alone.
  const keyOf = (url) => (/^\/player\/keys\/([0-9a-f-]{36})$/.exec(new URL(url, location.href).pathname) || [])[1];
  const withToken = (url) => {
    const id = keyOf(url);
    return id ? new URL('keys/' + id, base).href : url;
  };

  // hls.js takes samples of fMP4 whose key is of the format identity for those of a transport stream, which it decrypts itself. It is told of the same key as one of
  // Clear Key.
  const forClearKey = (playlist) => !/^#EXT-X-MAP:/m.test(playlist) ? playlist : playlist.replace(/^#EXT-X-KEY:METHOD=(SAMPLE-AES(?:-CTR)?),.*$/gm, (line, method) => {
    const uri = /[,:]URI="([^"]*)"/.exec(line);
    const id = uri && /KEYFORMAT="identity"/.test(line) && keyOf(uri[1]);
    if (!id) return line;
    const bytes = id.replaceAll('-', '').match(/../g).map((h) => String.fromCharCode(parseInt(h, 16))).join('');
    return '#EXT-X-KEY:METHOD=' + method + ',URI="data:text/plain;base64,' + btoa(bytes) + '",KEYFORMAT="org.w3.clearkey",KEYFORMATVERSIONS="1"';
  });

  const byKeyID = (type, data, context) => {
    const id = context.decryptdata && context.decryptdata.keyId;
    if (!id) return { initDataType: type, initData: data };
    const kid = btoa(String.fromCharCode(...id)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    return { initDataType: 'keyids', initData: new TextEncoder().encode(JSON.stringify({ kids: [kid] })).buffer };
  };

  const choose = (id, entries, chosen, pick) => {
    const list = menu(id);
    list.replaceChildren(...entries.map(([value, label]) => new Option(label, value, false, String(value) === String(chosen))));
    list.disabled = entries.length < 2;
    list.onchange = () => pick(list.value);
  };

  const hls = () => {
    if (!window.Hls || !Hls.isSupported()) return fail('hls.js is not here: make player installs it.');
    seen.player = 'hls.js ' + Hls.version;
    class Playlists extends Hls.DefaultConfig.loader {
      load(context, config, callbacks) {
        super.load(context, config, {
          ...callbacks,
          onSuccess: (response, ...rest) => callbacks.onSuccess({ ...response, data: forClearKey(response.data) }, ...rest),
        });
      }
    }
    const p = new Hls({
      pLoader: Playlists,
      enableWorker: false, // whose script would be none of this origin's files
      emeEnabled: true,
      // A session is asked for by the identifier of its key, which the playlist tells. Left to the events of the browser, hls.js asks for one key of several: an event
      // that comes while another is being answered is passed over.
      drmSystems: { 'org.w3.clearkey': { licenseUrl: licence, generateRequest: byKeyID } },
      xhrSetup: (xhr, url) => { xhr.open('GET', withToken(url), true); },
    });
    darkroom.player = p;
    p.on(Hls.Events.ERROR, (_, e) => {
      const text = shown([e.details, e.type, e.reason || (e.error && e.error.message), e.response && e.response.code, e.frag && e.frag.relurl].filter(Boolean).join(' '));
      if (e.fatal) fail(text); else seen.errors.push(text);
    });
    p.on(Hls.Events.MANIFEST_PARSED, (_, d) => {
      seen.levels = d.levels.map((l) => l.height);
      choose('picture', [[-1, 'automatic'], ...d.levels.map((l, i) => [i, l.height + 'p ' + Math.round(l.bitrate / 1000) + ' kbit/s'])], -1, (v) => { p.nextLevel = Number(v); });
      say('Playing with ' + seen.player);
      video.play().catch(() => {}); // whoever has to press a button does
    });
    p.on(Hls.Events.AUDIO_TRACKS_UPDATED, (_, d) => {
      seen.sounds = d.audioTracks.map((a) => a.name);
      choose('sound', d.audioTracks.map((a, i) => [i, a.name]), p.audioTrack, (v) => { p.audioTrack = Number(v); });
    });
    p.on(Hls.Events.SUBTITLE_TRACKS_UPDATED, (_, d) => {
      seen.captions = d.subtitleTracks.map((s) => s.name);
      choose('captions', [[-1, 'off'], ...d.subtitleTracks.map((s, i) => [i, s.name])], p.subtitleTrack, (v) => { p.subtitleTrack = Number(v); p.subtitleDisplay = v >= 0; });
    });
    p.loadSource(source);
    p.attachMedia(video);
  };

  const shakaPlayer = async () => {
    if (!window.shaka || !shaka.Player.isBrowserSupported()) return fail('Shaka Player is not here: make player installs it.');
    seen.player = 'Shaka Player ' + shaka.Player.version;
    const p = new shaka.Player();
    darkroom.player = p;
    const failed = (e) => fail(shown('Shaka Player: error ' + [e.code, ...(e.data || []).filter((d) => typeof d === 'string' || typeof d === 'number')].join(' ')));
    p.addEventListener('error', (e) => failed(e.detail));
    p.configure({ drm: { servers: { 'org.w3.clearkey': licence } } });
    p.getNetworkingEngine().registerRequestFilter((_, request) => { request.uris = request.uris.map(withToken); });
    try {
      await p.attach(video);
      await p.load(source);
    } catch (e) {
      return failed(e);
    }
    const pictures = p.getVariantTracks();
    seen.levels = [...new Set(pictures.map((t) => t.height))];
    seen.sounds = p.getAudioTracks().map((t) => t.label || t.language);
    seen.captions = p.getTextTracks().map((t) => t.label || t.language);
    choose('picture', [[-1, 'automatic'], ...pictures.map((t) => [t.id, t.height + 'p ' + Math.round(t.bandwidth / 1000) + ' kbit/s'])], -1, (v) => {
      p.configure({ abr: { enabled: v < 0 } });
      const t = p.getVariantTracks().find((t) => String(t.id) === v);
      if (t) p.selectVariantTrack(t, true);
    });
    choose('sound', p.getAudioTracks().map((t, i) => [i, t.label || t.language]), p.getAudioTracks().findIndex((t) => t.active), (v) => { p.selectAudioTrack(p.getAudioTracks()[v]); });
    choose('captions', [[-1, 'off'], ...p.getTextTracks().map((t, i) => [i, t.label || t.language])], -1, (v) => { p.selectTextTrack(v >= 0 ? p.getTextTracks()[v] : null); });
    say('Playing with ' + seen.player);
    video.play().catch(() => {});
  };

  video.addEventListener('ended', () => { say('The end.'); done(); });
  const isHLS = /\.m3u8$/i.test(manifest);
  const wanted = isHLS && given.get('p') !== 'shaka' ? 'hls' : 'shaka';
  menu('player').value = wanted;
  menu('player').disabled = !isHLS;
  menu('player').onchange = () => {
    given.set('p', menu('player').value);
    history.replaceState(null, '', location.pathname + '#' + given);
    location.reload();
  };
  if (wanted === 'hls') hls(); else shakaPlayer();
})();
