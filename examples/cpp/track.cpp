// Read raw frames from standard input and print the boxes of one target:
//
//     ffmpeg -v error -i clip.mp4 -f rawvideo -pix_fmt rgb24 - | ./track MODEL 640 360 260 29 41 142 > boxes.csv
//
// MODEL is a folder that `mixformer export` wrote; then the size of the frames, and the box of the target in the first.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>

#include "tracker.hpp"

int main(int count, char** words) try {
    if (count != 8) {
        std::cerr << "usage: track MODEL FRAME_WIDTH FRAME_HEIGHT X Y WIDTH HEIGHT < frames.rgb\n";
        return 2;
    }
    const int width = std::atoi(words[2]), height = std::atoi(words[3]);
    const Box start{std::atof(words[4]), std::atof(words[5]), std::atof(words[6]), std::atof(words[7])};
    Result result{start, 1.0, "tracking"};
    Tracker tracker(words[1]);
    Pixels pixels(static_cast<std::size_t>(width) * height * 3);
    std::puts("frame,x,y,width,height,score,status");
    for (int number = 0; std::fread(pixels.data(), 1, pixels.size(), stdin) == pixels.size(); ++number) {
        const Frame frame{pixels.data(), width, height};
        if (number == 0)
            tracker.start(frame, start);
        else
            result = tracker.update(frame);
        const Box& b = result.box;
        std::printf("%d,%.3f,%.3f,%.3f,%.3f,", number, b[0], b[1], b[2], b[3]);
        if (result.score) std::printf("%.4f", *result.score);
        std::printf(",%s\n", result.status.c_str());
    }
    return 0;
} catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
}
