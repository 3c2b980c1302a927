// @ts-check
// A recorded video and times in it, the picture that a browser shows at each of them out.

/** A picture so near to the time sought may well be the one sought, even if it is also the one that was shown before; seconds. */
const NEAR_S = 0.3;

/**
 * Seeks a video to each of the times, and reads a part of the picture that is shown then, scaled to one row of pixels.
 *
 * `seeked` comes when the picture is decoded; drawn before it is presented, too, the video still gives the one before it. So
 * the presentation is waited for, and that it is no longer of the picture before.
 * @param {import("playwright-core").Page} page of the video's own server
 * @param {string} address of the video
 * @param {number[]} times seconds of the video
 * @param {{ part: { y: number, width: number, height: number }, pixels: number }} options the part, from the left edge, in
 *   pixels of the video; the row's length
 * @returns {Promise<{ pictures: { time: number, row: number[] }[], duration: number, seekable: number }>} `time`: what the
 *   browser says of the picture, seconds of the video; `row`: red, 0 to 255; `seekable`: to which time
 */
export function seekPictures(page, address, times, { part, pixels }) {
  return page.evaluate(
    async ({ address, times, part, pixels, near }) => {
      const context = new OffscreenCanvas(pixels, 1).getContext("2d", { willReadFrequently: true });
      if (!context) throw new Error("no canvas");
      const video = document.createElement("video");
      // Pictures are only presented in a page's view.
      document.body.append(video);
      video.muted = true;
      const failed = new Promise((_, reject) => {
        video.onerror = () => reject(new Error(video.error?.message));
      });
      /** @returns {Promise<number>} the time of the next picture that is presented */
      const presented = () => Promise.race([failed, new Promise((resolve) => video.requestVideoFrameCallback((_, { mediaTime }) => resolve(mediaTime)))]);
      const first = presented();
      video.src = address;
      // Else its presentation could be taken for that of the first seek.
      let time = await first;
      const pictures = [];
      for (const wanted of times) {
        // Asked for before the seek: what is presented before one asks is not told.
        const next = presented();
        video.currentTime = wanted;
        const before = time;
        time = await next;
        while (time === before && Math.abs(time - wanted) > near) time = await presented();
        context.drawImage(video, 0, part.y, part.width, part.height, 0, 0, pixels, 1);
        const { data } = context.getImageData(0, 0, pixels, 1);
        pictures.push({ time, row: Array.from({ length: pixels }, (_, x) => data[4 * x]) });
      }
      return { pictures, duration: video.duration, seekable: video.seekable.length ? video.seekable.end(0) : 0 };
    },
    { address, times, part, pixels, near: NEAR_S },
  );
}
